# Scripts that bring an image to a registry or to containerd: functions of an image, then of the script's arguments.
# Whoever runs a script may give further flags of nix2container.
{
  lib,
  nix2container,
  writeShellScriptBin,
}:
{
  copyToRegistry =
    image:
    {
      imageName ? image.imageName,
      imageTag ? image.imageTag,
      # HTTP without TLS; a registry on loopback never needs this.
      plainHTTP ? false,
    }:
    writeShellScriptBin "copy-to-registry" ''
      exec ${nix2container} push --ref ${lib.escapeShellArg "${imageName}:${imageTag}"} \
        ${lib.optionalString plainHTTP "--plain-http"} "$@" ${image}
    '';

  # The shell that runs the script reads the address: "$XDG_RUNTIME_DIR/containerd/containerd.sock" will do.
  copyToContainerd =
    image:
    {
      address ? null,
      namespace ? null,
    }:
    writeShellScriptBin "copy-to-containerd" ''
      exec ${nix2container} \
        ${lib.optionalString (address != null) ''--address "${address}"''} \
        ${lib.optionalString (namespace != null) ''--namespace "${namespace}"''} \
        load "$@" ${image}
    '';
}
