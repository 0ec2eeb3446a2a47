# A pod and a service to apply: kubectl apply -f /etc/kubernetes/redis/. `k8sResources` comes from who makes the machine.
{ k8sResources, ... }:
{
  environment.etc."kubernetes/redis/pod.json".text = builtins.toJSON k8sResources.redisPod;
  environment.etc."kubernetes/redis/service.json".text = builtins.toJSON k8sResources.redisService;
}
