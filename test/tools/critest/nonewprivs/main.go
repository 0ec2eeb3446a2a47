// Prints the effective user: the entrypoint, with the set-user-ID bit, of the image that critest runs to see whether a container
// may gain privileges.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Printf("Effective uid: %d\n", os.Geteuid())
}
