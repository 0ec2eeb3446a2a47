//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"syscall"
	"time"
)

type startupRequest struct {
	Command []string `json:"command"`
	// Socket is where the program listens when it is ready.
	Socket string `json:"socket"`
}

// longestStartup is how long a program may take until it listens.
const longestStartup = time.Minute

// startup says how long a program takes from its start until it accepts a connection, and stops it.
func startup(ctx context.Context, request startupRequest) (duration, error) {
	ctx, cancel := context.WithTimeout(ctx, longestStartup)
	defer cancel()
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, request.Command[0], request.Command[1:]...)
	cmd.Stderr = &said
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return duration{}, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		connection, err := net.Dial("unix", request.Socket)
		if err == nil {
			took := milliseconds(time.Since(start))
			connection.Close()
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				return duration{}, err
			}
			<-ended
			return duration{took}, nil
		}
		select {
		case err := <-ended:
			return duration{}, fmt.Errorf("%v ended (%v) before it listened: %s", request.Command, err, said.String())
		case <-time.After(time.Millisecond):
		}
	}
}
