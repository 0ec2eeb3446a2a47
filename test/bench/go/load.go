//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/unpack"
	"github.com/containerd/containerd/v2/pkg/namespaces"
)

type loadRequest struct {
	Containerd  string `json:"containerd"`
	Namespace   string `json:"namespace"`
	Snapshotter string `json:"snapshotter"`
	Archive     string `json:"archive"`
}

type duration struct {
	Milliseconds float64 `json:"milliseconds"`
}

// load imports an archive and unpacks its images, and says how long that took.
func load(ctx context.Context, request loadRequest) (duration, error) {
	ctx = namespaces.WithNamespace(ctx, request.Namespace)
	containerd, err := client.New(request.Containerd)
	if err != nil {
		return duration{}, err
	}
	defer containerd.Close()
	archive, err := os.Open(request.Archive)
	if err != nil {
		return duration{}, err
	}
	defer archive.Close()
	start := time.Now()
	ctx, done, err := containerd.WithLease(ctx)
	if err != nil {
		return duration{}, err
	}
	defer done(ctx)
	imported, err := containerd.Import(ctx, archive)
	if err != nil {
		return duration{}, fmt.Errorf("import %s: %w", request.Archive, err)
	}
	for _, image := range imported {
		if err := unpackImage(ctx, containerd, image, request.Snapshotter); err != nil {
			return duration{}, fmt.Errorf("unpack %s: %w", image.Name, err)
		}
	}
	return duration{milliseconds(time.Since(start))}, nil
}

// unpackImage uses the unpacker of CRI and of the transfer service, which hands the layers' annotations to the snapshotter.
func unpackImage(ctx context.Context, containerd *client.Client, image images.Image, snapshotter string) error {
	store := containerd.ContentStore()
	unpacker, err := unpack.NewUnpacker(ctx, store, unpack.WithUnpackPlatform(unpack.Platform{
		SnapshotterKey: snapshotter,
		Snapshotter:    containerd.SnapshotService(snapshotter),
		Applier:        containerd.DiffService(),
	}))
	if err != nil {
		return err
	}
	handler := unpacker.Unpack(images.ChildrenHandler(store))
	if err := images.Dispatch(ctx, handler, nil, image.Target); err != nil {
		return err
	}
	_, err = unpacker.Wait()
	return err
}

type unloadRequest struct {
	Containerd string `json:"containerd"`
	Namespace  string `json:"namespace"`
}

// unload removes all images of a namespace and waits until containerd has collected what only they held.
func unload(ctx context.Context, request unloadRequest) (duration, error) {
	ctx = namespaces.WithNamespace(ctx, request.Namespace)
	containerd, err := client.New(request.Containerd)
	if err != nil {
		return duration{}, err
	}
	defer containerd.Close()
	start := time.Now()
	all, err := containerd.ImageService().List(ctx)
	if err != nil {
		return duration{}, err
	}
	for _, image := range all {
		if err := containerd.ImageService().Delete(ctx, image.Name, images.SynchronousDelete()); err != nil {
			return duration{}, err
		}
	}
	return duration{milliseconds(time.Since(start))}, nil
}
