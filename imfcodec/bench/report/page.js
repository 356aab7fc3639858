"use strict";

// Videos of one clip, kept on one frame; without this script each has the browser's controls.
class Player {
  constructor(root) {
    this.root = root;
    this.rate = Number(root.dataset.rate);
    this.frames = Number(root.dataset.frames);
    this.videos = [...root.querySelectorAll("video")];
    this.slider = root.querySelector(".frame");
    this.output = root.querySelector("output");
    this.button = root.querySelector(".play");
    this.playing = false;
    for (const video of this.videos) {
      video.controls = false;
      video.addEventListener("seeked", () => this.wipe?.draw());
      video.addEventListener("loadeddata", () => this.wipe?.draw());
    }
    for (const part of root.querySelectorAll(".controls, .wipe")) part.hidden = false;
    this.button.addEventListener("click", () => (this.playing ? this.pause() : this.play()));
    root.querySelector(".back").addEventListener("click", () => this.step(-1));
    root.querySelector(".on").addEventListener("click", () => this.step(1));
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value)));
    root.querySelector(".speed").addEventListener("change", (event) => {
      for (const video of this.videos) video.playbackRate = Number(event.target.value);
    });
    this.videos[0].addEventListener("ended", () => this.pause());
    this.wipe = new Wipe(root.querySelector(".wipe"), this.videos);
    root.dataset.ready = "true";
  }

  get frame() {
    const frame = Math.floor(this.videos[0].currentTime * this.rate + 0.01);
    return Math.min(this.frames - 1, Math.max(0, frame));
  }

  play() {
    this.show(this.frame >= this.frames - 1 ? 0 : this.frame);
    this.playing = true;
    this.button.textContent = "Pause";
    for (const video of this.videos) video.play().catch(() => this.pause());
    requestAnimationFrame(() => this.tick());
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.button.textContent = "Play";
    for (const video of this.videos) video.pause();
    this.show(this.frame);
  }

  step(by) {
    this.pause();
    this.show(Math.min(this.frames - 1, Math.max(0, Number(this.slider.value) + by)));
  }

  // The middle of a frame's time: rounding cannot land on a neighbour.
  show(frame) {
    for (const video of this.videos) video.currentTime = (frame + 0.5) / this.rate;
    this.mark(frame);
  }

  mark(frame) {
    this.slider.value = String(frame);
    this.output.textContent = String(frame);
  }

  tick() {
    if (!this.playing) return;
    const [master, ...others] = this.videos;
    for (const video of others) {
      const apart = Math.abs(video.currentTime - master.currentTime);
      if (apart > 1.5 / this.rate && !video.seeking) video.currentTime = master.currentTime;
    }
    this.mark(this.frame);
    this.wipe.draw();
    requestAnimationFrame(() => this.tick());
  }
}

// Two of the videos over each other, the upper one cut off where the slider stands.
class Wipe {
  constructor(root, videos) {
    this.root = root;
    this.videos = videos;
    this.left = root.querySelector(".left");
    this.right = root.querySelector(".right");
    this.wiper = root.querySelector(".wiper");
    this.over = root.querySelector(".over");
    this.under = root.querySelector(".under");
    this.edge = root.querySelector(".edge");
    for (const select of [this.left, this.right]) {
      select.addEventListener("change", () => this.draw());
    }
    this.wiper.addEventListener("input", () => this.cut());
    root.addEventListener("toggle", () => this.draw());
    const stage = root.querySelector(".stage");
    const drag = (event) => {
      if (event.buttons !== 1) return;
      const box = stage.getBoundingClientRect();
      this.wiper.value = String((100 * (event.clientX - box.left)) / box.width);
      this.cut();
    };
    stage.addEventListener("pointerdown", drag);
    stage.addEventListener("pointermove", drag);
    this.cut();
  }

  cut() {
    const at = Number(this.wiper.value);
    this.over.style.clipPath = `inset(0 ${100 - at}% 0 0)`;
    this.edge.style.left = `${at}%`;
  }

  draw() {
    if (!this.root.open) return;
    this.paint(this.over, this.videos[Number(this.left.value)]);
    this.paint(this.under, this.videos[Number(this.right.value)]);
  }

  paint(canvas, video) {
    if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
    if (canvas.width !== video.videoWidth || canvas.height !== video.videoHeight) {
      canvas.width = video.videoWidth;
      canvas.height = video.videoHeight;
    }
    canvas.getContext("2d").drawImage(video, 0, 0);
  }
}

for (const root of document.querySelectorAll(".player")) new Player(root).show(0);
