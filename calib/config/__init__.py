"""Settings: their type, their declaration in dataclasses, and the resolution of values.

Each package defines its ``SETTINGS`` next to the dataclass; `calib.app_config` collects all of them.
"""

from calib.config.declare import check_fields, setting, settings_of
from calib.config.origins import nearest
from calib.config.resolve import Config, Value, find_file
from calib.config.setting import Setting

__all__ = ["Config", "Setting", "Value", "check_fields", "find_file", "nearest", "setting", "settings_of"]
