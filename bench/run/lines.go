package main

// Measures of a chart of curves, in pixels.
const (
	curveWidth, curveHeight = 700, 380
	curveLeft, curveTop     = 60, 80
	curveBottom             = 40
)

// curveChart shows how the cost of a message grows, both axes logarithmic.
func curveChart(c *curve) []byte {
	var xs, ys []float64
	for _, x := range c.points {
		xs = append(xs, float64(x))
		for _, s := range c.subjects {
			if v, ok := c.table.at(c.at(x), s).median(cpu.name); ok {
				ys = append(ys, v)
			}
		}
	}
	across, up := newScale(xs, curveWidth-curveLeft-30), newScale(ys, curveHeight-curveTop-curveBottom)
	bottom := float64(curveHeight - curveBottom)
	k := newCanvas(curveWidth, curveHeight)
	k.text(10, 20, "start", "µs of CPU per message, by "+c.axis+" (both log)")
	for _, v := range across.decades() {
		x := curveLeft + across.at(v)
		k.line(x, curveTop, x, bottom, "#d0d7de", 1)
		k.text(x, bottom+18, "middle", label(v))
	}
	for _, v := range up.decades() {
		y := bottom - up.at(v)
		k.line(curveLeft, y, curveLeft+across.pixels, y, "#d0d7de", 1)
		k.text(curveLeft-6, y+4, "end", label(v))
	}
	colour := []string{"#cf222e", "#0969da", "#1a7f37", "#bf8700"} // easier to tell apart than shades
	if c.subjects[0].name != amqp091.name {
		colour = colour[1:]
	}
	for i, s := range c.subjects {
		x, y := float64(10+i%2*330), float64(34+i/2*18)
		k.rect(x, y, 10, 10, colour[i])
		k.text(x+15, y+9, "start", s.name)
		c.draw(k, s, colour[i], across, up)
	}
	return k.end()
}

// draw draws the curve of a subject.
func (c *curve) draw(k *canvas, s subject, colour string, across, up scale) {
	var lastX, lastY float64
	drawn := false
	for _, p := range c.points {
		v, ok := c.table.at(c.at(p), s).median(cpu.name)
		if !ok {
			continue
		}
		x, y := curveLeft+across.at(float64(p)), curveHeight-curveBottom-up.at(v)
		if drawn {
			k.line(lastX, lastY, x, y, colour, 2)
		}
		k.rect(x-2.5, y-2.5, 5, 5, colour)
		lastX, lastY, drawn = x, y, true
	}
}
