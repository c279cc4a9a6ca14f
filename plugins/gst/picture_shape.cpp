#include "picture_shape.hpp"

#include <cmath>
#include <optional>

namespace rivulet::element {

using media::adopt;
using media::gst_ptr;

namespace {

struct fraction {
    int n = 0, d = 1;

    double value() const { return d > 0 ? double(n) / d : 0; }
};

bool has(const GValue* rates, fraction rate) {
    GValue one = G_VALUE_INIT;
    g_value_init(&one, GST_TYPE_FRACTION);
    gst_value_set_fraction(&one, rate.n, rate.d);
    const bool found = gst_value_intersect(nullptr, rates, &one);
    g_value_unset(&one);
    return found;
}

// Of the rates, ranges and lists of them.
std::optional<fraction> nearest(const GValue* rates, double wanted) {
    const auto of = [](const GValue* value) {
        return fraction{
            gst_value_get_fraction_numerator(value), gst_value_get_fraction_denominator(value)};
    };
    std::optional<fraction> best;
    const auto offer = [&](std::optional<fraction> other) {
        if (other &&
            (!best || std::abs(other->value() - wanted) < std::abs(best->value() - wanted)))
            best = other;
    };
    if (GST_VALUE_HOLDS_FRACTION(rates)) {
        offer(of(rates));
    } else if (GST_VALUE_HOLDS_FRACTION_RANGE(rates)) { // what is wanted is not in it
        offer(of(gst_value_get_fraction_range_min(rates)));
        offer(of(gst_value_get_fraction_range_max(rates)));
    } else if (GST_VALUE_HOLDS_LIST(rates)) {
        for (guint i = 0; i < gst_value_list_get_size(rates); ++i)
            offer(nearest(gst_value_list_get_value(rates, i), wanted));
    }
    return best;
}

// Pictures are never repeated nor left out to make a rate: one that is not theirs can't be claimed,
// rounding apart; but always that it varies. An input that says no rate takes whatever downstream
// has. The rate to claim, if there is one.
std::optional<fraction> takes_rate(const GstStructure* target, fraction rate) {
    const GValue* rates = gst_structure_get_value(target, "framerate");
    if (rate.n <= 0 || !rates || has(rates, rate))
        return rate;
    if (has(rates, {0, 1}))
        return fraction{0, 1};
    const auto near = nearest(rates, rate.value());
    const bool rounded = near && std::abs(near->value() - rate.value()) <= rate.value() / 100;
    return rounded ? near : std::nullopt;
}

} // namespace

picture_shape::~picture_shape() {
    if (converter_)
        gst_video_converter_free(converter_);
}

gst_ptr<GstCaps> picture_shape::choose(GstCaps* wanted, GstCaps* allowed) {
    auto both = adopt(gst_caps_intersect_full(wanted, allowed, GST_CAPS_INTERSECT_FIRST));
    if (!gst_caps_is_empty(both.get()))
        return adopt(gst_caps_fixate(gst_caps_truncate(both.release())));
    if (gst_caps_is_any(allowed))
        return {};
    const GstStructure* source = gst_caps_get_structure(wanted, 0);
    int value = 0;
    fraction rate;
    const bool rated = gst_structure_get_fraction(source, "framerate", &rate.n, &rate.d);
    std::optional<fraction> claimed;
    guint at = 0;
    for (; at < gst_caps_get_size(allowed); ++at)
        if ((claimed = takes_rate(gst_caps_get_structure(allowed, at), rate)))
            break;
    if (!claimed)
        return {};
    auto left = adopt(gst_caps_copy_nth(allowed, at));
    // Nearest in size and rate; the format and the rest as downstream likes best.
    GstStructure* target = gst_caps_get_structure(left.get(), 0);
    for (const char* side : {"width", "height"})
        if (gst_structure_get_int(source, side, &value) && gst_structure_has_field(target, side))
            gst_structure_fixate_field_nearest_int(target, side, value);
        else if (gst_structure_get_int(source, side, &value))
            gst_structure_set(target, side, G_TYPE_INT, value, nullptr);
    if (rated && rate.n <= 0 && gst_structure_has_field(target, "framerate"))
        gst_structure_fixate_field_nearest_fraction(target, "framerate", rate.n, rate.d);
    else if (rated)
        gst_structure_set(target, "framerate", GST_TYPE_FRACTION, claimed->n, claimed->d, nullptr);
    if (const char* format = gst_structure_get_string(source, "format"))
        gst_structure_fixate_field_string(target, "format", format);
    return adopt(gst_caps_fixate(left.release()));
}

bool picture_shape::set_output(GstCaps* caps) {
    ready_ = gst_video_info_from_caps(&output_, caps);
    input_caps_.reset();
    return ready_;
}

bool picture_shape::same(const GstVideoInfo& input) const {
    return GST_VIDEO_INFO_FORMAT(&input) == GST_VIDEO_INFO_FORMAT(&output_) &&
           GST_VIDEO_INFO_WIDTH(&input) == GST_VIDEO_INFO_WIDTH(&output_) &&
           GST_VIDEO_INFO_HEIGHT(&input) == GST_VIDEO_INFO_HEIGHT(&output_) &&
           gst_video_colorimetry_is_equal(&input.colorimetry, &output_.colorimetry);
}

bool picture_shape::usual_layout(GstBuffer* buffer) const {
    const GstVideoMeta* meta = gst_buffer_get_video_meta(buffer);
    if (!meta)
        return true;
    for (guint i = 0; i < meta->n_planes; ++i)
        if (meta->stride[i] != GST_VIDEO_INFO_PLANE_STRIDE(&input_, i) ||
            meta->offset[i] != GST_VIDEO_INFO_PLANE_OFFSET(&input_, i))
            return false;
    return true;
}

gst_ptr<GstBuffer> picture_shape::shape(GstSample* sample) {
    GstCaps* caps = gst_sample_get_caps(sample);
    GstBuffer* buffer = gst_sample_get_buffer(sample);
    if (!ready_ || !caps || !buffer)
        return {};
    if (!input_caps_ || !gst_caps_is_equal(input_caps_.get(), caps)) {
        GstVideoInfo info;
        if (!gst_video_info_from_caps(&info, caps))
            return {};
        if (converter_)
            gst_video_converter_free(std::exchange(converter_, nullptr));
        fits_ = same(info);
        // A rate that differs is no matter for single pictures.
        GST_VIDEO_INFO_FPS_N(&info) = GST_VIDEO_INFO_FPS_N(&output_);
        GST_VIDEO_INFO_FPS_D(&info) = GST_VIDEO_INFO_FPS_D(&output_);
        GST_VIDEO_INFO_INTERLACE_MODE(&info) = GST_VIDEO_INFO_INTERLACE_MODE(&output_);
        if (!fits_)
            converter_ = gst_video_converter_new(&info, &output_, nullptr);
        input_ = info;
        input_caps_ = media::retain(caps);
    }
    if (fits_ && usual_layout(buffer))
        return adopt(gst_buffer_copy(buffer)); // shares the memory
    if (!fits_ && !converter_)
        return {};
    auto out = adopt(gst_buffer_new_allocate(nullptr, size(), nullptr));
    GstVideoFrame from, to;
    if (!out || !gst_video_frame_map(&from, &input_, buffer, GST_MAP_READ))
        return {};
    if (!gst_video_frame_map(&to, &output_, out.get(), GST_MAP_WRITE)) {
        gst_video_frame_unmap(&from);
        return {};
    }
    if (fits_)
        gst_video_frame_copy(&to, &from);
    else
        gst_video_converter_frame(converter_, &from, &to);
    gst_video_frame_unmap(&to);
    gst_video_frame_unmap(&from);
    return out;
}

} // namespace rivulet::element
