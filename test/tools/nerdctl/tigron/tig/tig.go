// Package tig stands in for a test helper that is not published as a module.
package tig

// T is what the helper asks of a test.
type T interface {
	Helper()
	FailNow()
	Fail()
	Log(args ...any)
	Name() string
	TempDir() string
}
