"""Pictures of what phones show, as PNG."""

from wallet_service.simulators.phones.drawing.android import draw_android
from wallet_service.simulators.phones.drawing.iphone import draw_iphone
from wallet_service.simulators.phones.drawing.lock_screen import draw_lock_screen
from wallet_service.simulators.phones.drawing.together import draw_together
from wallet_service.simulators.phones.drawing.web_images import image_from_web

__all__ = ["draw_android", "draw_iphone", "draw_lock_screen", "draw_together", "image_from_web"]
