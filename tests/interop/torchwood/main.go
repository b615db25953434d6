// The same formats, written by others: checks what Trueup's package transparency makes, and makes what it must read.
//
//	torchwood verify FOLDER        the proofs in FOLDER/proofs, of the lines of FOLDER/events.ndjson, under FOLDER/policy
//	torchwood make FOLDER COUNT    a log of COUNT records with its keys, tiles, checkpoint, cosignature and proofs
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const origin = "log.example/go"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "torchwood:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 2 && arguments[0] == "verify":
		return verify(arguments[1])
	case len(arguments) == 3 && arguments[0] == "make":
		count, err := strconv.ParseInt(arguments[2], 10, 64)
		if err != nil {
			return err
		}
		return makeLog(arguments[1], count)
	}
	return errors.New("use: torchwood verify FOLDER | torchwood make FOLDER COUNT")
}

// verify prints, as JSON, what is wrong with each proof: an empty text for those that verify.
func verify(folder string) error {
	written, err := os.ReadFile(filepath.Join(folder, "policy"))
	if err != nil {
		return err
	}
	policy, err := torchwood.ParsePolicy(written)
	if err != nil {
		return err
	}
	events, err := os.ReadFile(filepath.Join(folder, "events.ndjson"))
	if err != nil {
		return err
	}
	positions, err := proven(folder)
	if err != nil {
		return err
	}
	records := bytes.Split(bytes.TrimSuffix(events, []byte("\n")), []byte("\n"))
	if len(records) != len(positions) {
		return fmt.Errorf("%d lines and %d proofs", len(records), len(positions))
	}
	found := map[string]string{}
	for number, record := range records {
		name := fmt.Sprintf("%d.tlog-proof", positions[number])
		proof, err := os.ReadFile(filepath.Join(folder, "proofs", name))
		if err != nil {
			return err
		}
		found[name] = ""
		if err := torchwood.VerifyProof(policy, tlog.RecordHash(record), proof); err != nil {
			found[name] = err.Error()
		}
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

// proven returns the positions of which there is a proof, ascending: the n-th is that of the n-th line.
func proven(folder string) ([]int64, error) {
	files, err := os.ReadDir(filepath.Join(folder, "proofs"))
	if err != nil {
		return nil, err
	}
	var positions []int64
	for _, file := range files {
		position, err := strconv.ParseInt(strings.TrimSuffix(file.Name(), ".tlog-proof"), 10, 64)
		if err != nil {
			return nil, err
		}
		positions = append(positions, position)
	}
	slices.Sort(positions)
	return positions, nil
}

// hashes holds a tree as tlog numbers its hashes.
type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	read := make([]tlog.Hash, len(indexes))
	for at, index := range indexes {
		read[at] = h[index]
	}
	return read, nil
}

func makeLog(folder string, count int64) error {
	var tree hashes
	var records [][]byte
	for number := range count {
		record := fmt.Appendf(nil, `{"id":"%d"}`, number)
		added, err := tlog.StoredHashes(number, record, tree)
		if err != nil {
			return err
		}
		tree, records = append(tree, added...), append(records, record)
	}
	if err := write(folder, "events.ndjson", append(bytes.Join(records, []byte("\n")), '\n')); err != nil {
		return err
	}
	if err := writeTiles(folder, count, tree, records); err != nil {
		return err
	}
	checkpoint, err := writeCheckpoint(folder, count, tree)
	if err != nil {
		return err
	}
	return writeProofs(folder, count, tree, checkpoint)
}

func writeTiles(folder string, count int64, tree hashes, records [][]byte) error {
	for _, tile := range tlog.NewTiles(torchwood.TileHeight, 0, count) {
		data, err := tlog.ReadTileData(tile, tree)
		if err != nil {
			return err
		}
		if err := write(folder, torchwood.TilePath(tile), data); err != nil {
			return err
		}
		if tile.L != 0 {
			continue
		}
		var bundle []byte
		first := tile.N * torchwood.TileWidth
		for _, record := range records[first : first+int64(tile.W)] {
			if bundle, err = torchwood.AppendTileEntry(bundle, record); err != nil {
				return err
			}
		}
		tile.L = -1
		if err := write(folder, torchwood.TilePath(tile), bundle); err != nil {
			return err
		}
	}
	return nil
}

// writeCheckpoint signs and cosigns it, and leaves beside it the keys and a policy that asks for both.
func writeCheckpoint(folder string, count int64, tree hashes) ([]byte, error) {
	root, err := tlog.TreeHash(count, tree)
	if err != nil {
		return nil, err
	}
	secret, public, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return nil, err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	witness, err := torchwood.NewCosignatureSigner("witness.example/go", key)
	if err != nil {
		return nil, err
	}
	text := torchwood.Checkpoint{Origin: origin, Tree: tlog.Tree{N: count, Hash: root}}.String()
	checkpoint, err := note.Sign(&note.Note{Text: text}, signer, witness)
	if err != nil {
		return nil, err
	}
	policy := fmt.Sprintf("log %s\nwitness w1 %s\nquorum w1\n", public, witness.Verifier())
	return checkpoint, errors.Join(
		write(folder, "checkpoint", checkpoint),
		write(folder, "log.secret", []byte(secret)),
		write(folder, "policy", []byte(policy)),
	)
}

// writeProofs leaves a proof for every record and, as lines of base64, consistency proofs from every smaller size.
func writeProofs(folder string, count int64, tree hashes, checkpoint []byte) error {
	for number := range count {
		inclusion, err := tlog.ProveRecord(count, number, tree)
		if err != nil {
			return err
		}
		written := torchwood.FormatProofWithExtraData(number, []byte("from Go"), inclusion, checkpoint)
		if err := write(folder, fmt.Sprintf("proofs/%d.tlog-proof", number), written); err != nil {
			return err
		}
		consistency, err := tlog.ProveTree(count, number+1, tree)
		if err != nil {
			return err
		}
		var lines []string
		for _, hash := range consistency {
			lines = append(lines, base64.StdEncoding.EncodeToString(hash[:]))
		}
		if err := write(folder, fmt.Sprintf("consistency/%d", number+1), []byte(strings.Join(lines, "\n"))); err != nil {
			return err
		}
	}
	return nil
}

func write(folder, name string, data []byte) error {
	path := filepath.Join(folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}
