package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/assist-move-assist/pgcofre/remote"
)

// A cache is a local folder for one sink and one sort of object in it. It holds
// a file for each object that was read: the SHA-256 of what follows, a line
// that describes the object as the sink did, and its content. An entry counts
// only for an object that the sink describes in the same way today. The file is
// named by a hash of the object's name and by how many objects its set has,
// which the folder's listing thus tells of all.
//
// Whatever fails here is passed over: the sink is read instead. Files are put
// in place by renaming, so that several processes may share the folder.
//
// A nil cache is an empty one that keeps nothing.
type cache struct {
	folder string
	sink   string

	mu    sync.Mutex
	files map[string]string // by key, the file's name
}

// cached is what an entry says of its object.
type cached struct {
	Sink   string
	Object remote.Object
	Seal   []byte // nil where it was not read
}

// cacheFile matches the names of entries, and of those that are being written.
var cacheFile = regexp.MustCompile(`^([0-9a-f]{32})\.([0-9]{1,9})$|^new-`)

// openCache opens the cache of one sort of object, or none if folder is "".
func openCache(folder string, sink remote.RemoteSink, sort string) *cache {
	if folder == "" {
		return nil
	}
	c := &cache{files: map[string]string{}}
	if s, ok := sink.(fmt.Stringer); ok {
		c.sink = s.String()
	}
	c.folder = filepath.Join(folder, "pgcofre-"+keyOf(c.sink), sort)
	entries, _ := os.ReadDir(c.folder)
	for _, e := range entries {
		if m := cacheFile.FindStringSubmatch(e.Name()); m != nil && m[1] != "" && e.Type().IsRegular() {
			c.files[m[1]] = e.Name()
		}
	}
	return c
}

func keyOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}

// objects is how many objects the set has whose manifest an entry holds.
func (c *cache) objects(name string) (n int, ok bool) {
	if c == nil {
		return 0, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	file, ok := c.files[keyOf(name)]
	_, count, _ := strings.Cut(file, ".")
	n, _ = strconv.Atoi(count)
	return n, ok
}

// get returns the content of an object and its seal, if it is in the cache as
// the sink describes it.
func (c *cache) get(obj remote.Object) (text, seal []byte, ok bool) {
	if c == nil || obj.Version == "" {
		return nil, nil, false
	}
	c.mu.Lock()
	file, ok := c.files[keyOf(obj.Name)]
	c.mu.Unlock()
	if !ok {
		return nil, nil, false
	}
	f, err := os.Open(filepath.Join(c.folder, file))
	if err != nil {
		return nil, nil, false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 2*ordinary))
	if err != nil {
		return nil, nil, false
	}
	sum, rest, _ := bytes.Cut(b, []byte("\n"))
	head, text, ok := bytes.Cut(rest, []byte("\n"))
	var e cached
	if actual := sha256.Sum256(rest); !ok || string(sum) != hex.EncodeToString(actual[:]) || json.Unmarshal(head, &e) != nil {
		return nil, nil, false
	}
	same := e.Sink == c.sink && e.Object.Name == obj.Name && e.Object.Size == obj.Size &&
		e.Object.ModTime.Equal(obj.ModTime) && e.Object.Version == obj.Version
	return text, e.Seal, same
}

// put keeps what was read of an object after the sink had described it. objects
// is how many its set has.
func (c *cache) put(obj remote.Object, text, seal []byte, objects int) {
	if c == nil || obj.Version == "" || len(text) > ordinary {
		return
	}
	head, err := json.Marshal(cached{c.sink, obj, seal})
	if err != nil {
		return
	}
	rest := append(append(head, '\n'), text...)
	sum := sha256.Sum256(rest)
	key := keyOf(obj.Name)
	file := fmt.Sprintf("%s.%d", key, objects)
	if c.write(file, append([]byte(hex.EncodeToString(sum[:])+"\n"), rest...)) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files[key] = file
}

func (c *cache) write(file string, b []byte) error {
	if err := os.MkdirAll(c.folder, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(c.folder, "new-")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(c.folder, file))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// prune removes the entries of objects that the sink no longer holds. Another
// process may lose one so that it has just written, and reads the object again.
func (c *cache) prune(held []string) {
	if c == nil {
		return
	}
	keep := make(map[string]bool, len(held))
	for _, name := range held {
		keep[c.files[keyOf(name)]] = true
	}
	entries, _ := os.ReadDir(c.folder)
	for _, e := range entries {
		if cacheFile.MatchString(e.Name()) && !keep[e.Name()] {
			_ = os.Remove(filepath.Join(c.folder, e.Name()))
		}
	}
}
