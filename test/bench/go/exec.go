//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"time"
)

type execRequest struct {
	// Commands are run at the same time.
	Commands [][]string `json:"commands"`
}

type execResult struct {
	// Milliseconds from the first start to the last end.
	Milliseconds float64 `json:"milliseconds"`
	// FirstByte is when the last of the commands wrote its first byte, in milliseconds.
	FirstByte float64 `json:"firstByte"`
}

// execute runs commands and says how long they took; one that fails, or that writes nothing, is an error.
func execute(ctx context.Context, request execRequest) (execResult, error) {
	outputs := make([]output, len(request.Commands))
	failures := make(chan error, len(request.Commands))
	start := time.Now()
	for i, command := range request.Commands {
		go func() {
			failures <- runCommand(ctx, command, &outputs[i])
		}()
	}
	var failure error
	for range request.Commands {
		if err := <-failures; err != nil {
			failure = err
		}
	}
	result := execResult{Milliseconds: milliseconds(time.Since(start))}
	for i := range outputs {
		result.FirstByte = max(result.FirstByte, milliseconds(outputs[i].first.Sub(start)))
	}
	return result, failure
}

func runCommand(ctx context.Context, command []string, out *output) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%v: %w: %s", command, err, said.String())
	}
	if out.first.IsZero() {
		return fmt.Errorf("%v wrote nothing", command)
	}
	return nil
}

// output remembers when its first byte came.
type output struct {
	first time.Time
}

func (o *output) Write(data []byte) (int, error) {
	if o.first.IsZero() {
		o.first = time.Now()
	}
	return len(data), nil
}

func milliseconds(duration time.Duration) float64 {
	return float64(duration.Nanoseconds()) / 1e6
}
