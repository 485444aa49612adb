package stderr

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFileIsEmptiedAtItsLimitAndTakesWhatFollows(t *testing.T) {
	name := filepath.Join(t.TempDir(), "stderr.log")
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if !isAppended(file) {
		t.Fatal("it is not seen to be appended to")
	}
	for _, step := range []struct{ write, want string }{
		{strings.Repeat("a", 100), strings.Repeat("a", 100)},
		{"b", ""},
		{"the end", "the end"},
	} {
		if _, err := file.WriteString(step.write); err != nil {
			t.Fatal(err)
		}
		empty(file, 100)
		if got, _ := os.ReadFile(name); string(got) != step.want {
			t.Errorf("%q", got)
		}
	}
}

// Emptied, another file would get a hole; a pipe has no size.
func TestOthersAreLeftAlone(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	if isAppended(file) || isAppended(writer) {
		t.Error("it is seen to be appended to")
	}
}
