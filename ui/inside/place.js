// One map, enlarged, with a cursor for one place, and the image with what that place sees. `ui/inside/look.py` says what
// `data` holds. A click or the arrow keys choose a place.

const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

export default function ({ parentElement, data, setTriggerValue }) {
  const [image, map] = [".input", ".map"].map((one) => parentElement.querySelector(one));
  const scaleOf = (shape) => Math.max(1, Math.floor(data.side / Math.max(...shape)));

  function sized(canvas, [height, width], draw) {
    const scale = scaleOf([height, width]);
    const small = document.createElement("canvas");
    draw(small);
    canvas.width = width * scale;
    canvas.height = height * scale;
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
    return [context, scale];
  }

  // A black line within a white one: it is seen on any ground.
  function frame(context, scale, top, left, bottom, right) {
    const box = [left * scale, top * scale, (right - left) * scale, (bottom - top) * scale];
    for (const [colour, wide] of [["#fff", 5], ["#000", 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = wide;
      context.strokeRect(box[0] + 1, box[1] + 1, Math.max(1, box[2] - 2), Math.max(1, box[3] - 2));
    }
  }

  const [seen, scale] = sized(image.querySelector("canvas"), data.shape, (small) => {
    [small.height, small.width] = data.shape;
    const bytes = Uint8ClampedArray.from(atob(data.image), (byte) => byte.charCodeAt(0));
    small.getContext("2d").putImageData(new ImageData(bytes, data.shape[1]), 0, 0);
  });
  const [top, left, bottom, right] = data.field;
  if (top < bottom && left < right) frame(seen, scale, top, left, bottom, right);

  map.hidden = !data.map;
  const canvas = map.querySelector("canvas");
  if (data.map) {
    const [context, large] = sized(canvas, data.map_shape, (small) => {
      drawMap(small, pixels(diverging(data.colours)), whole(data.map), 0, data.map_shape);
    });
    const [row, column] = data.place;
    frame(context, large, row, column, row + 1, column + 1);
    canvas.onclick = ({ offsetX, offsetY }) => {
      const scaled = canvas.clientWidth / data.map_shape[1];
      choose([Math.floor(offsetY / scaled), Math.floor(offsetX / scaled)]);
    };
    canvas.onkeydown = (event) => {
      if (!MOVES[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      choose([row + MOVES[event.key][0], column + MOVES[event.key][1]]);
    };
  }
  canvas.setAttribute("aria-label", data.label);
  [image, map].forEach((one, k) => (one.querySelector("figcaption").textContent = data.captions[k]));
  parentElement.querySelector(".said").textContent = data.said;

  function choose(to) {
    setTriggerValue("place", to.map((one, k) => Math.max(0, Math.min(data.map_shape[k] - 1, one))));
  }
}
