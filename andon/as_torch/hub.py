"""`torch.hub`: what files of models import at their top. andon fetches no weights."""

from __future__ import annotations

from .absent import absent_names

NAMES = "load load_state_dict_from_url download_url_to_file list help get_dir set_dir"
WHY = "andon fetches no weights, but torch.load reads a file of them"
globals().update(absent_names("torch.hub", NAMES, WHY))
