package main

// Measures of a chart of bars, in pixels.
const (
	barWidth  = 900
	barLabels = 190
	barHeight = 11
	barGap    = 14
	barKey    = 18
)

// barChart shows a measure of all rows and subjects on one logarithmic axis.
func barChart(title string, t *table, m measure) []byte {
	var values []float64
	bars := 0
	for _, r := range t.rows {
		for _, s := range t.subjects {
			if v, ok := t.at(r, s).median(m.name); ok {
				values = append(values, v)
				bars++
			}
		}
	}
	keys := (len(t.subjects) + 2) / 3
	top := 54 + keys*barKey
	height := top + bars*barHeight + len(t.rows)*barGap + 30
	c, colour := newCanvas(barWidth, height), colours(t.subjects)
	c.text(10, 20, "start", title)
	for i, s := range t.subjects {
		x, y := float64(10+i%3*280), float64(32+i/3*barKey)
		c.rect(x, y, 10, 10, colour[i])
		c.text(x+15, y+9, "start", s.name)
	}
	axis := newScale(values, barWidth-barLabels-50)
	for _, v := range axis.decades() {
		x := barLabels + axis.at(v)
		c.line(x, float64(top), x, float64(height-24), "#d0d7de", 1)
		c.text(x, float64(top-6), "middle", label(v))
		c.text(x, float64(height-8), "middle", label(v))
	}
	y := float64(top)
	for _, r := range t.rows {
		c.text(barLabels-8, y+barHeight, "end", r.name)
		for i, s := range t.subjects {
			v, ok := t.at(r, s).median(m.name)
			if !ok {
				continue
			}
			long := max(1, axis.at(v))
			c.rect(barLabels, y, long, barHeight-2, colour[i])
			c.small(barLabels+long+4, y+barHeight-3, number(v))
			y += barHeight
		}
		y += barGap
	}
	return c.end()
}
