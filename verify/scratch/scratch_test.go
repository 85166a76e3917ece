package scratch_test

import (
	"github.com/assist-move-assist/pgcofre/verify/scratch"
	"github.com/jackc/pgx/v5"
	"testing"
	"time"
)

func TestStart(t *testing.T) {
	for _, in := range scratch.Installs() {
		t.Run(in.Version, func(t *testing.T) {
			b := time.Now()
			s, err := scratch.Start(t.Context(), &scratch.Options{BinDir: in.BinDir})
			if err != nil {
				t.Fatal(err)
			}
			t.Log("start", time.Since(b))
			c, err := pgx.Connect(t.Context(), s.URL("postgres"))
			if err != nil {
				t.Fatal(err)
			}
			var v string
			c.QueryRow(t.Context(), "show server_version").Scan(&v)
			c.Close(t.Context())
			t.Log(v)
			b = time.Now()
			if err := s.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Log("stop", time.Since(b))
		})
	}
}
