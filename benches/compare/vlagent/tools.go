//go:build tools

// Package vlagent pins the collector that the program is measured beside.
package vlagent

import _ "github.com/VictoriaMetrics/VictoriaLogs/app/vlagent"
