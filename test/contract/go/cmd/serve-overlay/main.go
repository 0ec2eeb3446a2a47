//go:build linux

// serve-overlay serves containerd's own overlayfs snapshotter on a unix socket: the reference that the
// contract suite is checked against.
//
//	serve-overlay ROOT SOCKET
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/v2/contrib/snapshotservice"
	"github.com/containerd/containerd/v2/defaults"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay"
	"google.golang.org/grpc"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "serve-overlay:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: serve-overlay ROOT SOCKET")
	}
	root, socket := args[0], args[1]
	// As containerd itself does at its start: the modes of snapshots do not depend on the umask.
	syscall.Umask(0)
	snapshotter, err := overlay.NewSnapshotter(root, overlay.WithRemapIDs)
	if err != nil {
		return fmt.Errorf("open %s: %w", root, err)
	}
	defer snapshotter.Close()
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer(
		grpc.MaxRecvMsgSize(defaults.DefaultMaxRecvMsgSize),
		grpc.MaxSendMsgSize(defaults.DefaultMaxSendMsgSize),
	)
	snapshotsapi.RegisterSnapshotsServer(server, snapshotservice.FromSnapshotter(snapshotter))
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	go func() {
		<-stop.Done()
		server.GracefulStop()
	}()
	return server.Serve(listener)
}
