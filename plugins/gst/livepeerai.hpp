// The element `livepeerai`: its GObject face. What it does is in ai_link.
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

GType gst_livepeer_ai_get_type();

gboolean gst_livepeer_ai_register(GstPlugin* plugin);

G_END_DECLS
