package synthetic

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"wsgauge/results"
)

type histogram struct{ h *hdrhistogram.Histogram }

func newHistogram(metric string) *histogram { return &histogram{results.NewHistogram(metric)} }

func (h *histogram) record(ns float64) { results.Record(h.h, int64(ns)) }
