"""Video and sound in and out of files and pipes, through PyAV.

In:     reader.py       MediaReader: one pass, upright RGB pictures and Opus packets
        info.py         MediaInfo: properties of the source
        colour.py       colour tags; rules for missing ones
        convert.py      swscale with its accurate paths; resize
        signature.py    still pictures and other files that are no video
        tracks.py       which video track and which sound track
        splice.py       one clock for both where the source's clock jumps
        filters.py      deinterlacing, HDR and wide gamut to BT.709
        tone_mapping.py HDR colours to SDR by BT.2390
        orientation.py  the display matrix
        timing.py       strictly increasing pts from the timestamps of the source
        audio.py        transcode to Opus, or copy
        downmix.py      several channels to one
Coding: geometry.py     display size <-> the size that the network sees
Out:    writer.py       MediaWriter: one facade over
        muxed.py        mp4, mkv, webm
        raw.py          y4m, rgb
        containers.py   formats, encoders and how to choose
        sink.py         what the output formats share
Both:   opus.py         packets outside a container
        atomic.py       AtomicOutput: a file that appears complete or not at all
        failures.py     exceptions of PyAV and files become ours
        faces.py        YuNet: faces and their landmarks
"""

from imfcodec.media.atomic import AtomicOutput, check_files
from imfcodec.media.audio import AudioMode, AudioPacketOut
from imfcodec.media.colour import Colour
from imfcodec.media.containers import CONTAINERS
from imfcodec.media.failures import writing
from imfcodec.media.geometry import CodingGeometry, resize
from imfcodec.media.info import AudioInfo, MediaInfo
from imfcodec.media.opus import OpusParameters, opus_packet_samples
from imfcodec.media.reader import MediaReader, PictureFrame, is_seekable
from imfcodec.media.timing import AUDIO_RATE
from imfcodec.media.writer import MediaWriter

__all__ = [
    "AUDIO_RATE",
    "CONTAINERS",
    "AtomicOutput",
    "AudioInfo",
    "AudioMode",
    "AudioPacketOut",
    "CodingGeometry",
    "Colour",
    "MediaInfo",
    "MediaReader",
    "MediaWriter",
    "OpusParameters",
    "PictureFrame",
    "check_files",
    "is_seekable",
    "opus_packet_samples",
    "resize",
    "writing",
]
