// Values from -127 to 127 as colours and bars. `ui/inside/message.py` says what they stand for.

// The 255 colours from `below` over `middle`, at 0, to `above`: [r, g, b] each.
function diverging([below, middle, above]) {
  return Array.from({ length: 255 }, (_, place) => {
    const share = (place - 127) / 127;
    const end = share < 0 ? below : above;
    return middle.map((one, k) => Math.round(one + (end[k] - one) * Math.abs(share)));
  });
}

// The same as opaque pixels, each written at once: a strip has a hundred thousand of them.
function pixels(colours) {
  return new Uint32Array(Uint8Array.from(colours.flatMap((one) => [...one, 255])).buffer);
}

function whole(values) {
  return Int8Array.from(atob(values), (byte) => byte.charCodeAt(0));
}

// Draws height x width values, which begin at `from`, as one of the `pixels` each.
function drawMap(canvas, ink, values, from, [height, width]) {
  const image = new ImageData(width, height);
  const drawn = new Uint32Array(image.data.buffer);
  for (let i = 0; i < drawn.length; i++) drawn[i] = ink[values[from + i] + 127];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}
