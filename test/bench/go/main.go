//go:build linux

// bench-client does what `npm run bench` measures, in one process, so that neither a start of a program nor
// the benchmark's own language is part of a figure.
//
//	bench-client SOCKET
//
// It listens on SOCKET and answers one request after the other: a JSON object a line, `op` names the function.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
)

// operations take the request's JSON and return what is answered as `result`.
var operations = map[string]func(context.Context, []byte) (any, error){
	"exec":       decoded(execute),
	"load":       decoded(load),
	"unload":     decoded(unload),
	"layer":      decoded(makeLayer),
	"latency":    decoded(latency),
	"throughput": decoded(throughput),
	"populate":   decoded(populate),
	"calls":      decoded(calls),
	"startup":    decoded(startup),
	"greet":      decoded(greet),
	"fetch":      decoded(fetch),
}

type answer struct {
	Result any    `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench-client:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: bench-client SOCKET")
	}
	listener, err := net.Listen("unix", args[0])
	if err != nil {
		return err
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		serve(connection)
	}
}

// serve answers the requests of one connection until it is closed.
func serve(connection net.Conn) {
	defer connection.Close()
	lines := bufio.NewReader(connection)
	answers := json.NewEncoder(connection)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		if err := answers.Encode(respond(line)); err != nil {
			return
		}
	}
}

func respond(line []byte) answer {
	var request struct {
		Op string `json:"op"`
	}
	if err := json.Unmarshal(line, &request); err != nil {
		return answer{Error: err.Error()}
	}
	operation, known := operations[request.Op]
	if !known {
		return answer{Error: fmt.Sprintf("no operation %q", request.Op)}
	}
	result, err := operation(context.Background(), line)
	if err != nil {
		return answer{Error: fmt.Sprintf("%s: %v", request.Op, err)}
	}
	return answer{Result: result}
}

func decoded[Q, A any](operation func(context.Context, Q) (A, error)) func(context.Context, []byte) (any, error) {
	return func(ctx context.Context, line []byte) (any, error) {
		var request Q
		if err := json.Unmarshal(line, &request); err != nil {
			return nil, err
		}
		return operation(ctx, request)
	}
}
