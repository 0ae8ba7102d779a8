"""Pictures of what phones show, as PNG."""

from wallet_service.previews.android import draw_android
from wallet_service.previews.iphone import draw_iphone
from wallet_service.previews.lock_screen import draw_lock_screen
from wallet_service.previews.phone_frame import draw_in_phone
from wallet_service.previews.side_by_side import draw_together
from wallet_service.previews.web_images import image_from_web

__all__ = ["draw_android", "draw_in_phone", "draw_iphone", "draw_lock_screen", "draw_together", "image_from_web"]
