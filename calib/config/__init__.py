"""Settings: what one is, how a dataclass declares its own, and how values are resolved.

Each room states its ``SETTINGS`` beside the dataclass that they fill; `calib.app_config` knows all of them.
"""

from calib.config.declare import check_fields, setting, settings_of
from calib.config.origins import nearest
from calib.config.resolve import Config, Value, find_file
from calib.config.setting import Setting

__all__ = ["Config", "Setting", "Value", "check_fields", "find_file", "nearest", "setting", "settings_of"]
