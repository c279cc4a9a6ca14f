#include "media/gst_ptr.hpp"

namespace rivulet::media {

namespace {

struct mapped_buffer {
    gst_ptr<GstBuffer> buffer;
    GstMapInfo map{};
    bool mapped = false;

    explicit mapped_buffer(GstBuffer* b) : buffer(retain(b)) {
        mapped = gst_buffer_map(buffer.get(), &map, GST_MAP_READ);
    }

    ~mapped_buffer() {
        if (mapped)
            gst_buffer_unmap(buffer.get(), &map);
    }
};

} // namespace

bytes map_buffer(GstBuffer* buffer) {
    auto mapped = std::make_shared<mapped_buffer>(buffer);
    if (!mapped->mapped)
        return {};
    std::span<const std::uint8_t> view(mapped->map.data, mapped->map.size);
    return bytes(std::move(mapped), view);
}

std::string describe_error(GstMessage* message) {
    GError* raw_error = nullptr;
    gchar* raw_detail = nullptr;
    switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ERROR:
        gst_message_parse_error(message, &raw_error, &raw_detail);
        break;
    case GST_MESSAGE_WARNING:
        gst_message_parse_warning(message, &raw_error, &raw_detail);
        break;
    default:
        return GST_MESSAGE_TYPE_NAME(message);
    }
    auto error = adopt(raw_error);
    auto detail = adopt(raw_detail);
    std::string text = error ? error->message : "unknown error";
    if (detail) {
        // "gstflvdemux.c(3060): gst_flv_demux_handle_seek (): /GstPipeline:pipeline0/…:\nwhat": the
        // last line says what happened.
        std::string_view all = detail.get();
        auto last = all.rfind('\n');
        text += " (" + std::string(last == all.npos ? all : all.substr(last + 1)) + ")";
    }
    return text;
}

} // namespace rivulet::media
