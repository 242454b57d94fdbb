"""One row for each chat."""

from __future__ import annotations

from django.db import models


class Chat(models.Model):
    id = models.CharField(max_length=200, primary_key=True)
    owner = models.CharField(max_length=200, null=True)  # noqa: DJ001  # None is anonymous
    messages = models.JSONField(default=list)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.id
