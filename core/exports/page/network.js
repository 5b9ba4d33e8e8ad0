// The network and the preparation of a drawing, in plain JavaScript: what core/exports/program.py and core/drawing do.
// Feature maps are {values: Float32Array, channels, height, width}, row by row; pictures are {values, height, width}.

const FUNCTIONS = {
  relu: (x) => (x > 0 ? x : 0),
  leaky_relu: (x) => (x > 0 ? x : 0.01 * x),
  gelu: (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  silu: (x) => x / (1 + Math.exp(-x)),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  tanh: Math.tanh,
};

// Source: Abramowitz, Stegun 1964, 7.1.26; off by 1.5e-7 at most.
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}

const OPERATIONS = {
  affine: ({ weights, bias }, maps, numbers) => {
    const size = maps.height * maps.width;
    return { ...maps, values: maps.values.map((value, i) => {
      const channel = Math.floor(i / size);
      return value * numbers[weights + channel] + numbers[bias + channel];
    }) };
  },
  pad: padded,
  conv: convolved,
  dense: ({ units, weights, bias }, { values }, numbers) => {
    const out = new Float32Array(units);
    for (let unit = 0; unit < units; unit++) {
      let sum = numbers[bias + unit];
      const row = weights + unit * values.length;
      for (let i = 0; i < values.length; i++) sum += values[i] * numbers[row + i];
      out[unit] = sum;
    }
    return { values: out, channels: units, height: 1, width: 1 };
  },
  max: ({ size }, maps) => pooled(maps, size, -Infinity, Math.max),
  average: ({ size }, maps) => {
    const sums = pooled(maps, size, 0, (sum, value) => sum + value);
    return { ...sums, values: sums.values.map((sum) => sum / size ** 2) };
  },
  mean: (_, { channels, height, width, values }) => {
    const size = height * width;
    const mean = (channel) => values.subarray(channel * size, (channel + 1) * size).reduce((a, b) => a + b, 0) / size;
    return { values: Float32Array.from({ length: channels }, (_, channel) => mean(channel)), channels, height: 1, width: 1 };
  },
  flatten: (_, { values }) => ({ values, channels: values.length, height: 1, width: 1 }),
  join: ({ parts }, maps, numbers) => {
    const more = applied(parts, maps, numbers);
    const values = new Float32Array(maps.values.length + more.values.length);
    values.set(maps.values);
    values.set(more.values, maps.values.length);
    return { ...maps, values, channels: maps.channels + more.channels };
  },
};

function applied(operations, maps, numbers) {
  for (const one of operations) {
    const own = FUNCTIONS[one.do];
    maps = own ? { ...maps, values: maps.values.map((x) => own(x)) } : OPERATIONS[one.do](one, maps, numbers);
  }
  return maps;
}

function padded({ left, right, top, bottom }, { values, channels, height, width }) {
  const out = { channels, height: height + top + bottom, width: width + left + right };
  out.values = new Float32Array(channels * out.height * out.width);
  for (let row = 0; row < channels * height; row++) {
    const place = Math.floor(row / height) * out.height + top + (row % height);
    out.values.set(values.subarray(row * width, (row + 1) * width), place * out.width + left);
  }
  return out;
}

// Each filter's map is summed up over the whole width of the input, so that the innermost loop is long and without
// conditions, and takes eight weights at a time; what lies between the places of the output is then left out.
function convolved({ filters, kernel, stride, padding: edge, weights, bias }, maps, numbers) {
  const { values, channels, height, width } = edge ? padded({ left: edge, right: edge, top: edge, bottom: edge }, maps) : maps;
  const rows = Math.floor((height - kernel) / stride) + 1;
  const columns = Math.floor((width - kernel) / stride) + 1;
  const out = new Float32Array(filters * rows * columns);
  const sums = new Float64Array((height - kernel) * width + width - kernel + 1);
  const count = channels * kernel ** 2;
  const places = Int32Array.from({ length: count }, (_, i) => {
    const [channel, y, x] = [Math.floor(i / kernel ** 2), Math.floor(i / kernel) % kernel, i % kernel];
    return (channel * height + y) * width + x;
  });
  for (let filter = 0; filter < filters; filter++) {
    sums.fill(numbers[bias + filter]);
    const own = numbers.subarray(weights + filter * count, weights + (filter + 1) * count);
    for (let first = 0; first < count; first += 8) addEight(sums, values, own, places, first);
    for (let row = 0; row < rows; row++) {
      const to = (filter * rows + row) * columns;
      for (let column = 0; column < columns; column++) out[to + column] = sums[(row * width + column) * stride];
    }
  }
  return { values: out, channels: filters, height: rows, width: columns };
}

// Adds to the sums the values from eight places on, each times its weight; where there are fewer, the rest times 0.
function addEight(sums, values, weights, places, first) {
  const weight = (k) => (first + k < weights.length ? weights[first + k] : 0);
  const place = (k) => (first + k < weights.length ? places[first + k] : 0);
  const [a, b, c, d, e, f, g, h] = [weight(0), weight(1), weight(2), weight(3), weight(4), weight(5), weight(6), weight(7)];
  const [p, q, r, s, t, u, v, w] = [place(0), place(1), place(2), place(3), place(4), place(5), place(6), place(7)];
  for (let i = 0; i < sums.length; i++) {
    sums[i] +=
      a * values[p + i] + b * values[q + i] + c * values[r + i] + d * values[s + i] +
      e * values[t + i] + f * values[u + i] + g * values[v + i] + h * values[w + i];
  }
}

function pooled({ values, channels, height, width }, size, first, join) {
  const rows = Math.floor(height / size);
  const columns = Math.floor(width / size);
  const out = new Float32Array(channels * rows * columns).fill(first);
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < rows * size; y++) {
      const to = (channel * rows + Math.floor(y / size)) * columns;
      const from = (channel * height + y) * width;
      for (let x = 0; x < columns * size; x++) {
        const place = to + Math.floor(x / size);
        out[place] = join(out[place], values[from + x]);
      }
    }
  }
  return { values: out, channels, height: rows, width: columns };
}

function softmax(logits) {
  const most = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

// --- the preparation of a drawing, as core/drawing/prepare.py does it; numbers are rounded to float32 where it does ---

const float32 = Math.fround;

// To the nearest integer, halves to the even one, as Python rounds.
function rounded(x) {
  const below = Math.floor(x);
  return x - below === 0.5 ? below + (below % 2 && 1) : Math.round(x);
}

function most(values) {
  let found = 0;
  for (const value of values) if (value > found) found = value;
  return found;
}

function picture(height, width, value) {
  const values = new Float32Array(height * width);
  if (value) for (let i = 0; i < values.length; i++) values[i] = value(Math.floor(i / width), i % width, i);
  return { values, height, width };
}

// The box of all pixels above `least`, by default a share of the strongest; without such a pixel the whole picture.
function crop(of, share, least = float32(float32(share) * most(of.values))) {
  let top = of.height, bottom = -1, left = of.width, right = -1;
  for (let y = 0, i = 0; y < of.height; y++) {
    for (let x = 0; x < of.width; x++, i++) {
      if (!(of.values[i] > least)) continue;
      top = Math.min(top, y);
      bottom = y;
      left = Math.min(left, x);
      right = Math.max(right, x);
    }
  }
  if (bottom < 0) return of;
  return picture(bottom - top + 1, right - left + 1, (y, x) => of.values[(y + top) * of.width + x + left]);
}

// Resampling as in Pillow, along one axis at a time: the factors of the old pixels for each new one.
const FILTERS = {
  box: { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    support: 2,
    at: (x) => {
      const a = Math.abs(x);
      if (a < 1) return (1.5 * a - 2.5) * a * a + 1;
      return a < 2 ? ((a - 5) * a + 8) * a * -0.5 + 2 : 0;
    },
  },
};

function factors(before, after, { support, at }, begin = 0, end = before) {
  const scale = (end - begin) / after;
  const wide = Math.max(scale, 1);
  return Array.from({ length: after }, (_, i) => {
    const centre = begin + (i + 0.5) * scale;
    const from = Math.max(0, Math.trunc(centre - support * wide + 0.5));
    const to = Math.min(before, Math.trunc(centre + support * wide + 0.5));
    const own = Array.from({ length: to - from }, (_, k) => at((k + from - centre + 0.5) / wide));
    const sum = own.reduce((a, b) => a + b, 0);
    return { from, own: own.map((factor) => factor / sum) };
  });
}

function resized(of, height, width, filter, [left, top, right, bottom] = [0, 0, of.width, of.height], keep = (x) => x) {
  if (of.width !== width || left || right !== width) {
    const across = factors(of.width, width, filter, left, right);
    of = picture(of.height, width, (y, x) => {
      const { from, own } = across[x];
      return keep(own.reduce((sum, factor, k) => sum + factor * of.values[y * of.width + from + k], 0));
    });
  }
  if (of.height === height && !top && bottom === height) return of;
  const down = factors(of.height, height, filter, top, bottom);
  return picture(height, width, (y, x) => {
    const { from, own } = down[y];
    return keep(own.reduce((sum, factor, k) => sum + factor * of.values[(from + k) * width + x], 0));
  });
}

function resize(of, height, width) {
  return resized(of, height, width, height > of.height || width > of.width ? FILTERS.bilinear : FILTERS.box);
}

function longerSide(of, side) {
  const scale = side / Math.max(of.height, of.width);
  return resize(of, Math.max(1, rounded(of.height * scale)), Math.max(1, rounded(of.width * scale)));
}

function strokeWidth(of) {
  const wide = of.width + 2;
  const edged = picture(of.height + 2, wide, (y, x) => {
    const within = y > 0 && x > 0 && y <= of.height && x <= of.width;
    const value = within ? of.values[(y - 1) * of.width + x - 1] : 0;
    return Math.min(Math.max(value, 0.25), 0.75) - 0.25;
  }).values;
  let outline = 0;
  for (let y = 0; y <= of.height; y++) {
    for (let x = 0; x <= of.width; x++) {
      const [a, b, c, d] = [edged[y * wide + x], edged[y * wide + x + 1], edged[(y + 1) * wide + x], edged[(y + 1) * wide + x + 1]];
      outline += Math.hypot(d - b + (c - a), d - c + (b - a));
    }
  }
  return (2 * edged.reduce((sum, value) => sum + value, 0)) / (outline / 2);
}

// The distance in px of each pixel to the nearest one in which `grows` is more than a half.
function distances({ values, height, width }) {
  const squares = new Float64Array(values.length).fill(Infinity);
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      if (!(values[y * width + x] > 0.5)) continue;
      for (let at = 0; at < height; at++) squares[at * width + x] = Math.min(squares[at * width + x], (at - y) ** 2);
    }
  }
  return Float64Array.from(values, (_, i) => {
    const row = i - (i % width);
    let least = Infinity;
    for (let x = 0; x < width; x++) least = Math.min(least, squares[row + x] + (x - (i % width)) ** 2);
    return Math.sqrt(least);
  });
}

function thickened(of, by) {
  if (!by) return of;
  const amount = Math.abs(by);
  const margin = Math.ceil(amount);
  const grows = picture(of.height + 2 * margin, of.width + 2 * margin, (y, x) => {
    const [row, column] = [y - margin, x - margin];
    const within = row >= 0 && column >= 0 && row < of.height && column < of.width;
    const value = within ? of.values[row * of.width + column] : 0;
    return by > 0 ? value : 1 - value;
  });
  const away = distances(grows);
  const grown = picture(grows.height, grows.width, (y, x, i) => {
    const value = away[i] > 1 ? amount + 1 - away[i] : float32(grows.values[i] + float32(amount));
    return Math.min(Math.max(value, 0), 1);
  });
  return by > 0 ? grown : crop({ ...grown, values: grown.values.map((value) => 1 - value) }, 0);
}

function place(of, top, left, side) {
  top = Math.min(Math.max(top, 0), side - of.height);
  left = Math.min(Math.max(left, 0), side - of.width);
  const sheet = picture(side, side);
  of.values.forEach((value, i) => {
    sheet.values[(top + Math.floor(i / of.width)) * side + left + (i % of.width)] = value;
  });
  return sheet;
}

function makePreparation({ side, box, centre, widths, fine, faintest, outline, narrow, overlap }) {
  const STEPS = {
    crop: (of) => crop(of, outline),
    width: (of) => {
      of = longerSide(of, fine);
      const strongest = most(of.values);
      if (!strongest) return of;
      of = { ...of, values: of.values.map((value) => value / strongest) };
      const now = strokeWidth(of);
      const wanted = Math.min(Math.max(now, (widths[0] * fine) / box), (widths[1] * fine) / box);
      return thickened(of, (wanted - now) / (1 - wanted / fine) / 2);
    },
    fit: (of) => longerSide(of, box),
    centre: (of) => {
      of = crop(of, 0);
      let [mass, row, column] = [0, 0, 0];
      of.values.forEach((value, i) => {
        mass += value;
        row += value * Math.floor(i / of.width);
        column += value * (i % of.width);
      });
      if (!mass) return place(of, Math.floor((side - of.height) / 2), Math.floor((side - of.width) / 2), side);
      return place(of, rounded(centre - row / mass), rounded(centre - column / mass), side);
    },
  };

  // The image Uint8Array (side * side) of a drawing, Uint8Array (n * n), 255 = ink, and the picture after each step;
  // the image is null if nothing is drawn.
  function prepare(pixels) {
    const across = Math.sqrt(pixels.length);
    let of = { values: Float32Array.from(pixels, (value) => value / 255), height: across, width: across };
    if (!of.values.some((value) => value > float32(faintest))) return { image: null, pictures: {} };
    const pictures = { ink: of };
    for (const [name, step] of Object.entries(STEPS)) of = pictures[name] = step(of);
    return { image: Uint8Array.from(of.values, (value) => rounded(float32(value * 255))), pictures };
  }

  // By column, the height of the lower of both parts of the ink at its sides, px; 0 in a column with ink.
  function lower({ values, height, width }) {
    const tops = new Array(width).fill(height);
    const bottoms = new Array(width).fill(0);
    values.forEach((value, i) => {
      if (!(value > float32(faintest))) return;
      const [y, x] = [Math.floor(i / width), i % width];
      [tops[x], bottoms[x]] = [Math.min(tops[x], y), Math.max(bottoms[x], y + 1)];
    });
    const heights = (order) => {
      let [top, bottom] = [height, 0];
      const found = [];
      for (const x of order) {
        [top, bottom] = [Math.min(top, tops[x]), Math.max(bottom, bottoms[x])];
        found[x] = bottom - top;
      }
      return found;
    };
    const columns = [...tops.keys()];
    const [before, after] = [heights(columns), heights([...columns].reverse())];
    return columns.map((x) => (bottoms[x] ? 0 : Math.min(before[x], after[x])));
  }

  // Whether an empty column separates two parts of the ink, each more than half as high as the whole.
  function standsApart(ink) {
    const inked = crop(ink, 0, float32(faintest));
    return 2 * Math.max(0, ...lower(inked)) > inked.height;
  }

  // The drawing with two parts side by side moved together, as an open 4 needs it; null if there are no such parts.
  function closed({ pictures: { ink } }) {
    const of = crop(ink, faintest);
    const low = lower(of);
    const highest = Math.max(...low);
    if (!highest) return null;
    const gap = low.indexOf(highest);
    const filled = [...low.keys()].filter((x) => of.values.some((value, i) => i % of.width === x && value > float32(faintest)));
    const left = filled.filter((x) => x < gap).at(-1) + 1;
    const right = filled.find((x) => x > gap);
    if (right - left > narrow * of.height) return null;
    const by = right - left + Math.max(1, rounded(overlap * of.height));
    const sheet = Math.max(of.height, of.width); // a square with the same ink: the crop takes its margins away
    const moved = new Uint8Array(sheet * sheet);
    of.values.forEach((value, i) => {
      const [y, x] = [Math.floor(i / of.width), i % of.width];
      if (x >= left && (x < right || x < by)) return;
      const to = y * sheet + (x < left ? x : x - by);
      moved[to] = Math.max(moved[to], rounded(float32(value * 255)));
    });
    return prepare(moved);
  }

  return { prepare, standsApart, closed };
}
