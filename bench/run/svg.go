package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
)

// canvas is an SVG that is being drawn.
type canvas struct {
	bytes.Buffer
	width, height int
}

func newCanvas(width, height int) *canvas {
	c := &canvas{width: width, height: height}
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	c.rect(0, 0, float64(width), float64(height), "#ffffff") // so that dark pages show it as well
	return c
}

func (c *canvas) end() []byte {
	c.WriteString("</svg>\n")
	return c.Bytes()
}

func (c *canvas) rect(x, y, w, h float64, fill string) {
	fmt.Fprintf(c, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x, y, w, h, fill)
}

func (c *canvas) line(x1, y1, x2, y2 float64, stroke string, width float64) {
	fmt.Fprintf(c, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%.1f"/>`+"\n", x1, y1, x2, y2, stroke, width)
}

// text is anchored at its start, middle or end.
func (c *canvas) text(x, y float64, anchor, s string) {
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="#24292f">`, x, y, anchor)
	xml.EscapeText(c, []byte(s)) // into memory
	c.WriteString("</text>\n")
}

// small is text at a bar's end.
func (c *canvas) small(x, y float64, s string) {
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f" font-size="9" fill="#57606a">%s</text>`+"\n", x, y, s)
}

// scale is a logarithmic axis on so many pixels, of whole decades.
type scale struct {
	low, high float64 // exponents
	pixels    float64
}

// newScale covers all values above zero.
func newScale(values []float64, pixels float64) scale {
	s := scale{low: math.Inf(1), high: math.Inf(-1), pixels: pixels}
	for _, v := range values {
		if v > 0 {
			s.low = min(s.low, math.Floor(math.Log10(v)))
			s.high = max(s.high, math.Ceil(math.Log10(v)))
		}
	}
	if math.IsInf(s.low, 1) {
		s.low, s.high = 0, 1
	}
	if s.high == s.low {
		s.high++
	}
	return s
}

// at is the pixel of a value; those that the axis cannot show are at its start.
func (s scale) at(v float64) float64 {
	if v <= 0 {
		return 0
	}
	return max(0, (math.Log10(v)-s.low)/(s.high-s.low)*s.pixels)
}

// decades are the powers of ten on the axis.
func (s scale) decades() (all []float64) {
	for e := s.low; e <= s.high; e++ {
		all = append(all, math.Pow(10, e))
	}
	return all
}

// label is a power of ten for reading.
func label(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%gk", v/1e3)
	}
	return fmt.Sprintf("%g", v)
}

// shades are the colours of the subjects of a kind, in order.
var shades = map[string][]string{
	"":         {"#cf222e"}, // another client
	"floor":    {"#8c959f", "#afb8c1"},
	"blocking": {"#0969da", "#218bff", "#54aeff", "#80ccff", "#8250df"},
	"callback": {"#116329", "#1a7f37", "#2da44e", "#6fdd8b", "#bf8700"},
}

// colours are one for each subject.
func colours(subjects []subject) (all []string) {
	used := map[string]int{}
	for _, s := range subjects {
		kind := s.api
		if s.name == floor.name || s.name == floorCopy.name {
			kind = "floor"
		}
		all = append(all, shades[kind][used[kind]%len(shades[kind])])
		used[kind]++
	}
	return all
}
