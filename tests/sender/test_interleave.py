"""Sound between picture packets."""

from __future__ import annotations

from fractions import Fraction

from imfcodec.media import AudioPacketOut
from imfcodec.sender.interleave import LIVE_PACKET_S, PACKET_S, Interleaver

SILENCE = b"\xf8\xff\xfe"  # 20 ms


def opus(begin: int, count: int) -> list[AudioPacketOut]:
    return [AudioPacketOut(960 * n, SILENCE, 960) for n in range(begin, begin + count)]


def spans(packets) -> list[tuple[float, float]]:
    return [(p.pts / 48000, (p.pts + 960 * len(p.packets)) / 48000) for p in packets]


def test_sound_goes_before_the_packet_in_whose_first_half_it_begins() -> None:
    sound = Interleaver(PACKET_S)
    for packet in opus(0, 500):  # ten seconds, all read before the first picture is coded
        sound.push(packet)
    assert spans(sound.due(Fraction(0), Fraction(3))) == [(0, 1), (1, 2)]
    assert spans(sound.due(Fraction(3), Fraction(6))) == [(2, 3), (3, 4), (4, 5)]
    assert spans(sound.due(Fraction(6), Fraction(6))) == [(5, 6), (6, 7)]
    assert spans(sound.rest()) == [(7, 8), (8, 9), (9, 10)]


def test_sound_that_is_read_meanwhile_is_collected() -> None:
    sound = Interleaver(LIVE_PACKET_S)
    given = []
    for n in range(50):
        sound.push(opus(n, 1)[0])
        given += spans(sound.due(Fraction(n, 50), Fraction(n, 50)))
    assert [begin for begin, _ in given] == [n / 5 for n in range(5)]
    assert all(end - begin < 0.2001 for begin, end in given)


def test_a_gap_begins_a_new_packet() -> None:
    sound = Interleaver(PACKET_S)
    for packet in [*opus(0, 10), *opus(40, 10)]:
        sound.push(packet)
    assert spans(sound.rest()) == [(0, 0.2), (0.8, 1.0)]


def test_no_packet_is_longer_than_asked_for() -> None:
    sound = Interleaver(PACKET_S)
    for packet in opus(0, 333):
        sound.push(packet)
    lengths = [end - begin for begin, end in spans(sound.rest())]
    assert max(lengths) <= 1
    assert round(sum(lengths), 6) == 6.66
