// Command sbom writes a bill of materials in CycloneDX's JSON to standard output: the Go modules that the compiler
// wrote into programs, and the Debian packages of an image.
//
//	sbom -name=NAME -version=v1.4.0 -time=SECONDS PROGRAM...
//	sbom -name=NAME -version=v1.4.0 -time=SECONDS -image=ARCHIVE -arch=amd64
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"log"
	"os"
	"time"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("sbom: ")
	name := flag.String("name", "", "what the bill is of")
	version := flag.String("version", "", "its version")
	seconds := flag.Int64("time", 0, "when it was made, in seconds since 1970")
	image := flag.String("image", "", "an OCI archive, instead of programs")
	arch := flag.String("arch", "", "which of its images")
	flag.Parse()
	b := newBill(*name, *version, time.Unix(*seconds, 0))
	if err := fill(b, *image, *arch, flag.Args()); err != nil {
		log.Fatal(err)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	if err := out.Encode(b.document()); err != nil {
		log.Fatal(err)
	}
}

func fill(b *bill, image, arch string, programs []string) error {
	if image != "" {
		return b.image(image, arch)
	}
	for _, program := range programs {
		f, err := os.Open(program)
		if err != nil {
			return err
		}
		err = b.program(program, f)
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return err
		}
	}
	if len(b.components) == 0 {
		return errors.New("no programs, and no image")
	}
	return nil
}
