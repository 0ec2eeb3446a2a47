//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/core/snapshots/proxy"
	"github.com/containerd/containerd/v2/defaults"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// connect returns a snapshotter behind a socket, spoken to as containerd speaks to its proxy snapshotters.
func connect(socket string) (snapshots.Snapshotter, error) {
	connection, err := grpc.NewClient("unix:"+socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(defaults.DefaultMaxRecvMsgSize),
			grpc.MaxCallSendMsgSize(defaults.DefaultMaxSendMsgSize),
		))
	if err != nil {
		return nil, err
	}
	return &closing{proxy.NewSnapshotter(snapshotsapi.NewSnapshotsClient(connection), "bench"), connection}, nil
}

// closing ends the connection with the snapshotter.
type closing struct {
	snapshots.Snapshotter
	connection *grpc.ClientConn
}

func (c *closing) Close() error {
	return c.connection.Close()
}

type layerRequest struct {
	Socket string `json:"socket"`
	Name   string `json:"name"`
	Parent string `json:"parent"`
	// Labels are the layer's annotations.
	Labels map[string]string `json:"labels"`
	// Directories is what the layer holds, relative to its root.
	Directories []string `json:"directories"`
}

// makeLayer unpacks a layer of empty directories.
func makeLayer(ctx context.Context, request layerRequest) (duration, error) {
	snapshotter, err := connect(request.Socket)
	if err != nil {
		return duration{}, err
	}
	defer snapshotter.Close()
	key := "extract-" + request.Name
	labels := snapshots.WithLabels(request.Labels)
	mounts, err := snapshotter.Prepare(ctx, key, request.Parent, labels)
	if err != nil {
		return duration{}, err
	}
	upper, err := upperOf(mounts)
	if err != nil {
		return duration{}, err
	}
	for _, directory := range request.Directories {
		if err := os.MkdirAll(filepath.Join(upper, directory), 0o755); err != nil {
			return duration{}, err
		}
	}
	return duration{}, snapshotter.Commit(ctx, request.Name, key, labels)
}

// upperOf returns the directory that an active snapshot's mounts write to.
func upperOf(mounts []mount.Mount) (string, error) {
	if len(mounts) != 1 {
		return "", fmt.Errorf("a layer has one mount, not %d", len(mounts))
	}
	if mounts[0].Type == "bind" {
		return mounts[0].Source, nil
	}
	const option = "upperdir="
	i := slices.IndexFunc(mounts[0].Options, func(text string) bool { return strings.HasPrefix(text, option) })
	if i < 0 {
		return "", fmt.Errorf("%v has no upper directory", mounts[0])
	}
	return strings.TrimPrefix(mounts[0].Options[i], option), nil
}
