"""Frames to segments: where the shots begin, and which frames become key frames.

planner.py          Planner: what all have in common; which one the options ask for
live.py             each frame at once
greedy.py           the best key frame of each interval
planned.py          the key frames of several intervals together
shots.py            where shots begin
keyframe_policy.py  when a key frame is due
key_schedule.py     how many the next frames get, and which
key_plan.py         the best places for so many
key_choice.py       which frame is the best key frame for others
mutual_errors.py    how well frames serve each other
"""
