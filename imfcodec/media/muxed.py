"""Pictures encoded and muxed together with the sound: MP4, Matroska, WebM."""

from __future__ import annotations

from fractions import Fraction

import av
from av import Packet
from av.container import OutputContainer as AvOutput
from av.video.stream import VideoStream

from imfcodec.media.colour import PRIMARIES_BT709, TRANSFER_BT709, Matrix
from imfcodec.media.containers import ENCODERS, OutputContainer
from imfcodec.media.convert import Rgb, YuvConverter
from imfcodec.media.opus import OpusParameters, OpusTemplate
from imfcodec.media.sink import Gate
from imfcodec.media.timing import AUDIO_RATE

_LIMITED = 1
_LEFT = "left"


class MuxedSink:
    """One video encoder, at most one Opus track, one libav muxer.

    The video is 8-bit BT.709, limited range, tagged as such in codec and container.

    Attributes:
        warnings: properties that the container or the encoder could not keep.
    """

    def __init__(
        self,
        gate: Gate,
        container: OutputContainer,
        *,
        codec: str,
        crf: int,
        width: int,
        height: int,
        time_base: Fraction,
        rate: Fraction | None,
        sample_aspect_ratio: Fraction,
        audio: OpusParameters | None,
    ) -> None:
        """Open the encoder and write the container's header.

        Args:
            gate: where the bytes go.
            container: a format with a muxer.
            codec: an encoder that the container holds.
            crf: constant rate factor of the encoder.
            width: pixels; may be odd.
            height: pixels; may be odd.
            time_base: seconds per tick of the pictures' pts.
            rate: nominal pictures per second, None if unknown or variable.
            sample_aspect_ratio: width of a pixel over its height.
            audio: the Opus track, None for a silent file.

        Raises:
            av.error.FFmpegError: the encoder or the muxer refuses.
            OutputFailed: the header cannot be written.
        """
        self.warnings: list[str] = []
        self._time_base = time_base
        self._durations: dict[int, int] = {}  # of the pictures inside the encoder, by pts
        self._pre_skip = audio.pre_skip if audio else 0
        pix_fmt = self._choose_pix_fmt(codec, width, height)
        if not container.exact_time and (1000 * time_base).denominator != 1:
            self.warnings.append(
                f"{container.name} stores whole milliseconds: timestamps are rounded"
            )
        holds_aspect = ENCODERS[codec].holds_aspect or container.name == "mp4"
        if sample_aspect_ratio != 1 and not holds_aspect:
            self.warnings.append(
                f"{codec} in {container.name} has no sample aspect ratio: "
                f"{sample_aspect_ratio} is lost"
            )
        self._yuv = YuvConverter(width, height, pix_fmt, Matrix.BT709)
        self._container: AvOutput = av.open(gate, mode="w", format=container.muxer)
        self._video = self._add_video(codec, crf, width, height, pix_fmt, rate, sample_aspect_ratio)
        if audio is not None:
            template = OpusTemplate(audio)
            self._audio = self._container.add_stream_from_template(template.stream)
            template.close()
        self._container.start_encoding()

    def picture(self, pts: int, duration: int, rgb: Rgb) -> None:
        """Encode one picture."""
        frame = self._yuv.convert(rgb, pts, self._time_base)
        self._durations[pts] = duration
        self._mux(self._video.encode(frame))

    def sound(self, pts: int, data: bytes, duration: int) -> None:
        """Mux one packet."""
        packet = Packet(data)
        packet.stream = self._audio
        packet.time_base = Fraction(1, AUDIO_RATE)
        # libav's timestamps exclude the encoder's delay; ours include it.
        packet.pts = packet.dts = pts - self._pre_skip
        packet.duration = duration
        packet.is_keyframe = True
        self._container.mux(packet)

    def finish(self) -> None:
        """Flush the encoder and write the container's index."""
        self._mux(self._video.encode(None))
        self._container.close()

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            # Encoders derive durations from the rate; a variable rate needs the true ones.
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts, packet.duration or 0)
            self._container.mux(packet)

    def _choose_pix_fmt(self, codec: str, width: int, height: int) -> str:
        if (width | height) & 1 and not ENCODERS[codec].odd_420:
            self.warnings.append(
                f"{codec} cannot hold {width}x{height} in 4:2:0: it is written in 4:4:4, "
                "which some players do not show"
            )
            return "yuv444p"
        return "yuv420p"

    def _add_video(
        self,
        codec: str,
        crf: int,
        width: int,
        height: int,
        pix_fmt: str,
        rate: Fraction | None,
        sample_aspect_ratio: Fraction,
    ) -> VideoStream:
        options = dict(ENCODERS[codec].options)
        options |= {"crf": str(crf), "chroma_sample_location": _LEFT}
        stream = self._container.add_stream(
            codec, rate=rate or 25, options=options, width=width, height=height
        )
        assert isinstance(stream, VideoStream)
        stream.time_base = self._time_base
        context = stream.codec_context
        context.time_base = self._time_base
        # Zero means "variable" in libav: players would believe an invented rate.
        context.framerate = rate or Fraction(0)
        context.pix_fmt = pix_fmt
        context.sample_aspect_ratio = sample_aspect_ratio
        context.colorspace = Matrix.BT709
        context.color_trc = TRANSFER_BT709
        context.color_primaries = PRIMARIES_BT709
        context.color_range = _LIMITED
        return stream
