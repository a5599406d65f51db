// Holds answers of ours against those of github.com/robfig/cron/v3, the library of Kubernetes'
// CronJob controller. Reads the rows of cron-next on standard input; prints how many were the same,
// how many are different by a rule of docs/decisions/schedules.md, and those that are simply wrong.
package main

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

var (
	signed     = regexp.MustCompile(`\+\d`)
	starRange  = regexp.MustCompile(`(^|[ ,])[*?]-`)
	emptyItem  = regexp.MustCompile(`(^|[ ,]),|,($|[ ,])`)
	zoneInside = regexp.MustCompile(`^(CRON_)?TZ=`)
	seventh    = regexp.MustCompile(`^([0-7a-zA-Z]+-)?0*7(/\d+)?$`)
)

func parse(text string) (schedule cron.Schedule) {
	defer func() {
		if recover() != nil {
			schedule = nil
		}
	}()
	schedule, err := cron.ParseStandard(text)
	if err != nil {
		return nil
	}
	return schedule
}

// withoutSeven says day of week 7, which robfig/cron does not know, with a 0.
func withoutSeven(text string) string {
	f := strings.Fields(text)
	if len(f) != 5 {
		return text
	}
	items := strings.Split(f[4], ",")
	for i, item := range items {
		m := seventh.FindStringSubmatch(item)
		if m == nil {
			continue
		}
		if m[1] == "" {
			items[i] = "0"
			continue
		}
		first := strings.TrimSuffix(m[1], "-")
		step := 1
		if m[2] != "" {
			step, _ = strconv.Atoi(m[2][1:])
		}
		start, err := strconv.Atoi(first)
		if err != nil {
			start = strings.Index("sunmontuewedthufrisat", strings.ToLower(first)) / 3
		}
		if start == 7 {
			items[i] = "0"
			continue
		}
		if step > 0 {
			items[i] = fmt.Sprintf("%s-6/%d", first, step)
			if (7-start)%step == 0 {
				items[i] += ",0"
			}
		}
	}
	f[4] = strings.Join(items, ",")
	return strings.Join(f, " ")
}

func answer(schedule cron.Schedule, after time.Time) string {
	next := schedule.Next(after)
	if next.IsZero() {
		return "never"
	}
	return strconv.FormatInt(next.Unix(), 10)
}

// refusedByRule names the rule by which ours refuses what robfig/cron takes.
func refusedByRule(text string, schedule cron.Schedule) string {
	every, constant := schedule.(cron.ConstantDelaySchedule)
	switch {
	case zoneInside.MatchString(text):
		return "zone in the expression"
	case constant && every.Delay < time.Minute:
		return "@every below a minute"
	case starRange.MatchString(text):
		return "range after a star"
	case emptyItem.MatchString(text):
		return "empty list item"
	case signed.MatchString(text):
		return "sign before a number"
	}
	return ""
}

// compare returns what is told of a row: "" for the same answer, the name of a rule, or a fault.
func compare(text, ours string, after time.Time) (rule, fault string) {
	schedule := parse(text)
	if schedule == nil && ours != "refused" {
		rule = "day of week 7"
		schedule = parse(withoutSeven(text))
		if schedule == nil {
			rule = "blanks around a macro"
			schedule = parse(strings.TrimSpace(text))
		}
	}
	if schedule == nil {
		if ours == "refused" {
			return "", ""
		}
		return "", "refused"
	}
	if ours == "refused" {
		if rule = refusedByRule(text, schedule); rule != "" {
			return rule, ""
		}
	}
	if theirs := answer(schedule, after); theirs != ours {
		return "", theirs
	}
	return rule, ""
}

func main() {
	zones := map[string]*time.Location{}
	rules := map[string]int{}
	rows, same, different := 0, 0, 0
	in := bufio.NewScanner(os.Stdin)
	watchdog := time.AfterFunc(time.Minute, func() {
		fmt.Printf("robfig/cron does not come back: %s\n", in.Text())
		os.Exit(1)
	})
	for in.Scan() {
		f := strings.Split(in.Text(), "\t")
		watchdog.Reset(time.Minute)
		zone := zones[f[2]]
		if zone == nil {
			var err error
			if zone, err = time.LoadLocation(f[2]); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			zones[f[2]] = zone
		}
		after, _ := strconv.ParseInt(f[1], 10, 64)
		rule, fault := compare(f[3], f[4], time.Unix(after, 0).In(zone))
		rows++
		switch {
		case fault != "":
			different++
			if different <= 20 {
				fmt.Printf("different, %s: %s\n", fault, in.Text())
			}
		case rule != "":
			rules[rule]++
		default:
			same++
		}
	}
	names := []string{}
	for name, n := range rules {
		names = append(names, fmt.Sprintf("%s: %d", name, n))
	}
	sort.Strings(names)
	fmt.Printf("robfig\t%d\t%d\t%d\t%s\n", rows, same, different, strings.Join(names, ", "))
	if different > 0 || rows == 0 {
		os.Exit(1)
	}
}
