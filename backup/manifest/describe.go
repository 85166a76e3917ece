package manifest

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"

	"github.com/assist-move-assist/pgcofre/remote"
)

// listPage is how many objects a store lists at a time.
const listPage = 1000

// describe lists the objects of a whole month of sets where that takes fewer
// requests, one after the other, than asking for each manifest at once. It goes
// by what is cached of that month. What fails is asked for again.
func (s *scanner) describe(ctx context.Context, places []place) {
	s.described = map[string]remote.Object{}
	if s.manifests == nil {
		return
	}
	months := map[string][]place{}
	for _, at := range places {
		prefix := at.path("")[:len(at.prefix)+len(KindOf(at.id))+len("/202508")]
		months[prefix] = append(months[prefix], at)
	}
	var prefixes []string
	for prefix, sets := range months {
		known, objects := 0, 0
		for _, at := range sets {
			if n, ok := s.manifests.objects(at.path(Name)); ok {
				known++
				objects += n + 2 // manifest and seal
			}
		}
		if known > 0 && scanJobs*(1+objects*len(sets)/known/listPage) <= len(sets) {
			prefixes = append(prefixes, prefix)
		}
	}
	var mu sync.Mutex
	inParallel(scanJobs, len(prefixes), func(i int) {
		for obj, err := range s.sink.List(ctx, prefixes[i]) {
			if err != nil {
				return
			}
			if strings.HasSuffix(obj.Name, "/"+Name) {
				mu.Lock()
				s.described[obj.Name] = obj
				mu.Unlock()
			}
		}
	})
}

// object describes a manifest if there is a cache to ask about it. That it is
// not there is the one error that counts: reading it tells the others.
func (s *scanner) object(ctx context.Context, name string) (remote.Object, error) {
	if obj, ok := s.described[name]; ok || s.manifests == nil {
		return obj, nil
	}
	obj, err := remote.Stat(ctx, s.sink, name)
	if errors.Is(err, fs.ErrNotExist) {
		return remote.Object{}, err
	}
	return obj, nil
}
