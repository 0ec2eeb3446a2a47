//go:build linux

// Package contract runs containerd's own snapshotter suite against the snapshotter that listens on the unix
// socket SNAPSHOTTER_ADDRESS. This process mounts what the server answers, so it runs as root in the server's
// mount namespace. Whatever the suite leaves behind is removed at its end.
package contract

import (
	"context"
	"errors"
	"os"
	"testing"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/core/snapshots/proxy"
	"github.com/containerd/containerd/v2/core/snapshots/testsuite"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// suiteName makes the suite demand what overlayfs can do: all but renaming a directory of a lower layer.
const suiteName = "overlayfs"

func TestSnapshotter(t *testing.T) {
	address := os.Getenv("SNAPSHOTTER_ADDRESS")
	if address == "" {
		t.Fatal("SNAPSHOTTER_ADDRESS must be the path of the snapshotter's socket")
	}
	if os.Geteuid() != 0 {
		t.Fatal("the suite mounts: it must run as root")
	}
	connection, err := grpc.NewClient("unix://"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	snapshotter := proxy.NewSnapshotter(snapshotsapi.NewSnapshotsClient(connection), suiteName)
	t.Cleanup(func() {
		if err := removeAll(context.Background(), snapshotter); err != nil {
			t.Errorf("snapshots are left after the suite: %v", err)
		}
	})
	open := func(context.Context, string) (snapshots.Snapshotter, func() error, error) {
		return snapshotter, nil, nil
	}
	testsuite.SnapshotterSuite(t, suiteName, open)
}

// removeAll removes every snapshot, children before their parents.
func removeAll(ctx context.Context, snapshotter snapshots.Snapshotter) error {
	for {
		parents := map[string]bool{}
		var names []string
		err := snapshotter.Walk(ctx, func(_ context.Context, info snapshots.Info) error {
			parents[info.Parent] = true
			names = append(names, info.Name)
			return nil
		})
		if err != nil || len(names) == 0 {
			return err
		}
		var failures []error
		removed := 0
		for _, name := range names {
			if parents[name] {
				continue
			}
			if err := snapshotter.Remove(ctx, name); err != nil {
				failures = append(failures, err)
			} else {
				removed++
			}
		}
		if removed == 0 {
			return errors.Join(failures...)
		}
	}
}
