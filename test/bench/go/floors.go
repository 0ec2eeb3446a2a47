//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// workerMagic is what client and daemon of Nix greet each other with (nix `worker-protocol.hh`).
const (
	workerMagic1 = 0x6e697863
	workerMagic2 = 0x6478696f
)

type greetRequest struct {
	// Socket of a Nix daemon.
	Socket string `json:"socket"`
}

// greet connects to a Nix daemon and waits for its greeting, without which nothing can be asked of it.
func greet(_ context.Context, request greetRequest) (duration, error) {
	start := time.Now()
	connection, err := net.Dial("unix", request.Socket)
	if err != nil {
		return duration{}, err
	}
	defer connection.Close()
	if err := binary.Write(connection, binary.LittleEndian, uint64(workerMagic1)); err != nil {
		return duration{}, err
	}
	var magic uint64
	if err := binary.Read(connection, binary.LittleEndian, &magic); err != nil {
		return duration{}, err
	}
	if magic != workerMagic2 {
		return duration{}, fmt.Errorf("%s is no Nix daemon: it greets with %x", request.Socket, magic)
	}
	return duration{milliseconds(time.Since(start))}, nil
}

type fetchRequest struct {
	URLs []string `json:"urls"`
	// Connections is how many files are fetched at once.
	Connections int `json:"connections"`
}

// fetch reads files over HTTP and throws them away.
func fetch(ctx context.Context, request fetchRequest) (duration, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: request.Connections}}
	urls := make(chan string, len(request.URLs))
	for _, url := range request.URLs {
		urls <- url
	}
	close(urls)
	var group sync.WaitGroup
	failures := make([]error, request.Connections)
	start := time.Now()
	for worker := range request.Connections {
		group.Go(func() {
			for url := range urls {
				if err := fetchOne(ctx, client, url); err != nil {
					failures[worker] = err
					return
				}
			}
		})
	}
	group.Wait()
	return duration{milliseconds(time.Since(start))}, errors.Join(failures...)
}

func fetchOne(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
