#include "livepeerai.hpp"

#define PACKAGE "rivulet"

static gboolean plugin_init(GstPlugin* plugin) {
    return gst_livepeer_ai_register(plugin);
}

GST_PLUGIN_DEFINE(
    GST_VERSION_MAJOR,
    GST_VERSION_MINOR,
    livepeerai,
    "Live video through an AI gateway",
    plugin_init,
    RIVULET_VERSION,
    "MIT/X11",
    "rivulet",
    "https://github.com/livepeer"
)
