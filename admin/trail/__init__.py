"""The trail of what people saw and did. It is written before anything is shown or done; nothing here changes it."""
