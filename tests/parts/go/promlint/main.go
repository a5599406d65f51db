// Holds a scrape on standard input against Prometheus' own rules, those of `promtool check metrics`: it parses, and names,
// units, help texts and types are as they should be. Prints each fault; exit code 1 then, or when nothing was scraped.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func main() {
	scrape, err := io.ReadAll(os.Stdin)
	if err == nil && len(scrape) == 0 {
		err = fmt.Errorf("nothing was scraped")
	}
	var problems []promlint.Problem
	if err == nil {
		problems, err = promlint.New(bytes.NewReader(scrape)).Lint()
	}
	for _, p := range problems {
		fmt.Printf("%s: %s\n", p.Metric, p.Text)
	}
	if err != nil {
		fmt.Println(err)
	}
	if err != nil || len(problems) > 0 {
		os.Exit(1)
	}
	fmt.Println("0 faults")
}
