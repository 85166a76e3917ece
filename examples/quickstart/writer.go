package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// writer moves points between profiles, one transaction after another. None of
// them changes the sum of the points, and each leaves two lines in audit_logs:
// a copy that is of one moment keeps both true, whatever that moment was.
type writer struct {
	committed atomic.Int64
	stopping  chan struct{}
	done      chan error
}

// startWriter returns when the first transaction is committed. The caller
// stops the writer.
func startWriter(ctx context.Context, cfg *pgx.ConnConfig) (*writer, error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	w := &writer{stopping: make(chan struct{}), done: make(chan error, 1)}
	random := rand.New(rand.NewPCG(1, 2))
	if err := w.transfer(ctx, conn, random); err != nil {
		return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	go func() {
		defer conn.Close(context.WithoutCancel(ctx))
		for {
			select {
			case <-w.stopping:
				w.done <- nil
				return
			default:
			}
			if err := w.transfer(ctx, conn, random); err != nil {
				w.done <- fmt.Errorf("writing during the backup: %w", err)
				return
			}
		}
	}()
	return w, nil
}

// transfer moves points from one profile to another, and posts about it.
func (w *writer) transfer(ctx context.Context, conn *pgx.Conn, random *rand.Rand) error {
	from := 1 + random.IntN(2000)
	to := 1 + (from+random.IntN(1999))%2000
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		const move = "UPDATE profiles SET pontos = pontos + $2 WHERE id = md5('perfil ' || $1::int)::uuid"
		if _, err := tx.Exec(ctx, move, from, -1); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, move, to, 1); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO feed_posts (autora, texto) VALUES (md5('perfil ' || $1::int)::uuid, 'um ponto para você 💜')", from)
		return err
	})
	if err == nil {
		w.committed.Add(1)
	}
	return err
}

// stop ends the writer and returns how many transactions it committed.
func (w *writer) stop() (int64, error) {
	close(w.stopping)
	err := <-w.done
	return w.committed.Load(), err
}

// ledger is what the writer's transactions add up to in one database.
type ledger struct{ points, transfers int64 }

// readLedger adds up, and fails when what every transaction keeps is broken.
func readLedger(ctx context.Context, cfg *pgx.ConnConfig) (l ledger, err error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return l, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var lines, changes int64
	err = conn.QueryRow(ctx, `SELECT (SELECT sum(pontos) FROM profiles), count(*), coalesce(sum((detalhe->>'mudança')::int), 0),
		(SELECT count(*) FROM feed_posts WHERE texto LIKE 'um ponto%')
		FROM audit_logs WHERE acao = 'pontos'`).Scan(&l.points, &lines, &changes, &l.transfers)
	switch {
	case err != nil:
		return l, err
	case lines != 2*l.transfers || changes != 0:
		return l, fmt.Errorf("database %s holds half a transaction: %d posts, but %d lines in audit_logs whose changes sum up to %d",
			cfg.Database, l.transfers, lines, changes)
	}
	return l, nil
}
