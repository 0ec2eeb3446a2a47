//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/core/snapshots"
)

// server is a snapshotter to measure, and the committed snapshot that containers are prepared on.
type server struct {
	Name   string `json:"name"`
	Socket string `json:"socket"`
	Parent string `json:"parent"`
}

type latencyRequest struct {
	Servers []server `json:"servers"`
	Rounds  int      `json:"rounds"`
	// Calls of each method in a round.
	Calls int `json:"calls"`
}

// latencies are medians of rounds in milliseconds, by method.
type latencies map[string][]float64

// latency measures the calls that a container's life consists of. Each round visits every server, beginning
// with another one, after one round that does not count.
func latency(ctx context.Context, request latencyRequest) (map[string]latencies, error) {
	clients := make([]snapshots.Snapshotter, len(request.Servers))
	result := map[string]latencies{}
	for i, server := range request.Servers {
		client, err := connect(server.Socket)
		if err != nil {
			return nil, err
		}
		defer client.Close()
		clients[i] = client
		result[server.Name] = latencies{}
	}
	for round := range request.Rounds + 1 {
		for turn := range request.Servers {
			i := (round + turn) % len(request.Servers)
			server := request.Servers[i]
			times := map[string][]float64{}
			for call := range request.Calls {
				key := fmt.Sprintf("latency-%d-%d", round, call)
				if err := lifeOfContainer(ctx, clients[i], server.Parent, key, times); err != nil {
					return nil, fmt.Errorf("%s: %w", server.Name, err)
				}
			}
			for method, values := range times {
				if round > 0 {
					result[server.Name][method] = append(result[server.Name][method], median(values))
				}
			}
		}
	}
	return result, nil
}

func lifeOfContainer(ctx context.Context, client snapshots.Snapshotter, parent, key string, times map[string][]float64) error {
	steps := []struct {
		method string
		call   func() error
	}{
		{"Prepare", func() error { _, err := client.Prepare(ctx, key, parent); return err }},
		{"Mounts", func() error { _, err := client.Mounts(ctx, key); return err }},
		{"Stat", func() error { _, err := client.Stat(ctx, key); return err }},
		{"Usage", func() error { _, err := client.Usage(ctx, key); return err }},
		{"Remove", func() error { return client.Remove(ctx, key) }},
		{"List", func() error { return client.Walk(ctx, func(context.Context, snapshots.Info) error { return nil }) }},
	}
	for _, step := range steps {
		start := time.Now()
		if err := step.call(); err != nil {
			return fmt.Errorf("%s of %s: %w", step.method, key, err)
		}
		times[step.method] = append(times[step.method], milliseconds(time.Since(start)))
	}
	return nil
}

type throughputRequest struct {
	server
	Workers      int `json:"workers"`
	Milliseconds int `json:"milliseconds"`
}

// rates are calls per second, by what is called.
type rates map[string]float64

// throughput says how many calls per second some workers get through together.
func throughput(ctx context.Context, request throughputRequest) (rates, error) {
	client, err := connect(request.Socket)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if _, err := client.Prepare(ctx, "throughput", request.Parent); err != nil {
		return nil, err
	}
	works := map[string]func(worker, turn int) error{
		"Stat":   func(int, int) error { _, err := client.Stat(ctx, "throughput"); return err },
		"Mounts": func(int, int) error { _, err := client.Mounts(ctx, "throughput"); return err },
		"Prepare and Remove": func(worker, turn int) error {
			key := fmt.Sprintf("throughput-%d-%d", worker, turn)
			if _, err := client.Prepare(ctx, key, request.Parent); err != nil {
				return err
			}
			return client.Remove(ctx, key)
		},
	}
	result := rates{}
	for name, work := range works {
		rate, err := rateOf(work, request.Workers, time.Duration(request.Milliseconds)*time.Millisecond)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		result[name] = rate
	}
	return result, client.Remove(ctx, "throughput")
}

func rateOf(work func(worker, turn int) error, workers int, period time.Duration) (float64, error) {
	var group sync.WaitGroup
	counts, failures := make([]int, workers), make([]error, workers)
	start := time.Now()
	for worker := range workers {
		group.Go(func() {
			for time.Since(start) < period && failures[worker] == nil {
				failures[worker] = work(worker, counts[worker])
				counts[worker]++
			}
		})
	}
	group.Wait()
	total := 0
	for _, count := range counts {
		total += count
	}
	return float64(total) / time.Since(start).Seconds(), errors.Join(failures...)
}

type populateRequest struct {
	server
	// From and To number the snapshots that are made.
	From int `json:"from"`
	To   int `json:"to"`
}

// populate makes active snapshots.
func populate(ctx context.Context, request populateRequest) (duration, error) {
	client, err := connect(request.Socket)
	if err != nil {
		return duration{}, err
	}
	defer client.Close()
	start := time.Now()
	for number := request.From; number < request.To; number++ {
		if _, err := client.Prepare(ctx, fmt.Sprintf("populated-%d", number), request.Parent); err != nil {
			return duration{}, err
		}
	}
	return duration{milliseconds(time.Since(start))}, nil
}

type callsRequest struct {
	server
	// Calls is how many calls are made, of all methods together.
	Calls int `json:"calls"`
}

// calls makes many calls one after the other, those of containers' lives.
func calls(ctx context.Context, request callsRequest) (duration, error) {
	client, err := connect(request.Socket)
	if err != nil {
		return duration{}, err
	}
	defer client.Close()
	start := time.Now()
	times := map[string][]float64{}
	for made := 0; made < request.Calls; {
		if err := lifeOfContainer(ctx, client, request.Parent, fmt.Sprintf("calls-%d", made), times); err != nil {
			return duration{}, err
		}
		made += len(times)
	}
	return duration{milliseconds(time.Since(start))}, nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
