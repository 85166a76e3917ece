package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"golang.org/x/term"

	"github.com/assist-move-assist/pgcofre/backup"
)

// keyring is what the commands share that store backups.
type keyring struct {
	Recipient      recipients `placeholder:"AGE1..." help:"Encrypt to this age public key, so that its identity opens the backup. Repeat for more, any of which is enough."`
	RecipientsFile files      `short:"R" placeholder:"FILE" help:"Encrypt to the age public keys in a file, one a line."`
	SealKey        file       `placeholder:"FILE" help:"Ed25519 private key (PEM) to sign the backup with, so that --trust can tell it from a forged one."`
}

// readKeys reads what encrypts and what seals.
func (k *keyring) readKeys(opts *backup.Options) (err error) {
	if opts.Recipients, err = readAll(k.RecipientsFile, "--recipients-file", parseRecipients); err != nil {
		return err
	}
	for _, r := range k.Recipient {
		opts.Recipients = append(opts.Recipients, r.Recipient)
	}
	opts.Seal, err = readOne(k.SealKey, "--seal-key", parseSealKey)
	return err
}

// maxKeyFile is the most that a file of keys may hold, in bytes.
const maxKeyFile = 1 << 20

// parser reads the keys in a file. Its errors quote nothing of the text.
type parser[K any] func(name string, text []byte) ([]K, error)

// readAll parses the files of a flag, one after the other. Errors name the flag
// and the file.
func readAll[K any](files []file, flag string, parse parser[K]) (all []K, err error) {
	for _, file := range files {
		keys, err := readKeys(string(file), parse)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		all = append(all, keys...)
	}
	return all, nil
}

func readKeys[K any](name string, parse parser[K]) ([]K, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("%s: is too large for a file of keys", name)
	}
	keys, err := parse(name, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return keys, nil
}

// recipient is a flag that names who can open a backup.
type recipient struct{ age.Recipient }

// UnmarshalText reads one public key.
func (r *recipient) UnmarshalText(text []byte) error {
	if isSecret(text) {
		return errors.New("is a secret key: want the public one, which age-keygen -y prints")
	}
	keys, err := age.ParseRecipients(bytes.NewReader(text))
	if err != nil || len(keys) != 1 {
		return errors.New("is no age public key, which begins with age1")
	}
	r.Recipient = keys[0]
	return nil
}

// String is the key as it was typed.
func (r recipient) String() string { return fmt.Sprint(r.Recipient) }

func isSecret(text []byte) bool { return bytes.Contains(text, []byte("AGE-SECRET-KEY-")) }

func parseRecipients(_ string, text []byte) ([]age.Recipient, error) {
	if isSecret(text) {
		return nil, errors.New("holds a secret key: want public ones, age1..., that age-keygen -y prints")
	}
	return age.ParseRecipients(bytes.NewReader(text))
}

// identitiesParser returns a parser of identity files, which asks for the
// passphrase of those that have one.
func identitiesParser(ctx context.Context) parser[age.Identity] {
	return func(name string, text []byte) ([]age.Identity, error) {
		var locked io.Reader
		switch {
		case bytes.HasPrefix(text, []byte(armor.Header)):
			locked = armor.NewReader(bytes.NewReader(text))
		case bytes.HasPrefix(text, []byte("age-encryption.org/")):
			locked = bytes.NewReader(text)
		default:
			return age.ParseIdentities(bytes.NewReader(text))
		}
		passphrase, err := askSecret(ctx, "Passphrase of "+plain(name)+": ")
		if err != nil {
			return nil, err
		}
		key, err := age.NewScryptIdentity(passphrase)
		if err != nil {
			return nil, err
		}
		unlocked, err := age.Decrypt(locked, key)
		if err != nil {
			return nil, fmt.Errorf("the passphrase does not open it: %w", err)
		}
		return age.ParseIdentities(unlocked)
	}
}

// askSecret reads a line from the terminal, unseen.
func askSecret(ctx context.Context, prompt string) (string, error) {
	stdin := int(os.Stdin.Fd())
	before, err := term.GetState(stdin)
	if err != nil {
		return "", errors.New("it is protected by a passphrase, and there is no terminal to ask for it: decrypt it first with age -d")
	}
	fmt.Fprint(os.Stderr, prompt)
	defer fmt.Fprintln(os.Stderr)
	type answer struct {
		text []byte
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(stdin)
		answered <- answer{text, err}
	}()
	select {
	case a := <-answered:
		return string(a.text), a.err
	case <-ctx.Done():
		return "", errors.Join(context.Cause(ctx), term.Restore(stdin, before))
	}
}

// readOne reads a file of one key, or none if no file is named.
func readOne[K any](name file, flag string, parse parser[K]) (key K, err error) {
	if name == "" {
		return key, nil
	}
	keys, err := readAll([]file{name}, flag, parse)
	if err != nil {
		return key, err
	}
	if len(keys) != 1 {
		return key, fmt.Errorf("%s: %s: holds %d keys: want one", flag, name, len(keys))
	}
	return keys[0], nil
}

// parseSealKey reads what openssl genpkey -algorithm ed25519 writes.
func parseSealKey(_ string, text []byte) ([]crypto.Signer, error) {
	block, _ := pem.Decode(text)
	switch {
	case block == nil || !strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errors.New("holds no private key in PEM: make one with openssl genpkey -algorithm ed25519")
	case block.Type == "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("the key is protected by a passphrase, which nobody is there to type at night: write it without one, with openssl pkey, where the backup's user alone can read it")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if sealing, ok := key.(ed25519.PrivateKey); ok && err == nil {
		return []crypto.Signer{sealing}, nil
	}
	return nil, errors.New("is no Ed25519 key: make one with openssl genpkey -algorithm ed25519")
}

// parseTrust reads what openssl pkey -pubout writes, one or several.
func parseTrust(_ string, text []byte) (keys []ed25519.PublicKey, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "PUBLIC KEY" {
			return nil, fmt.Errorf("holds a %s: want public keys alone, as openssl pkey -pubout writes them", block.Type)
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		public, ok := key.(ed25519.PublicKey)
		if err != nil || !ok {
			return nil, errors.New("holds a public key that is not an Ed25519 one")
		}
		keys = append(keys, public)
	}
	if keys == nil {
		return nil, errors.New("holds no public key in PEM: write it with openssl pkey -in KEY -pubout")
	}
	return keys, nil
}
