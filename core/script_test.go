package core_test

import (
	"flag"
	"testing"

	"github.com/haypile/haypile/core/coretest"
)

var update = flag.Bool("update", false, "record the answers of the scripts in testdata anew")

func TestScripts(t *testing.T) { coretest.RunScripts(t, "testdata/*.txt", *update) }
