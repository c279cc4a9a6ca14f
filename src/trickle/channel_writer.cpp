#include "trickle/channel_writer.hpp"

namespace rivulet::trickle {

error_code channel_writer::begin_segment() {
    end_segment();
    auto slot = channel_->open_write(seq_next);
    // Somebody closed the awaited segment before it began: the one after it is free.
    if (slot && !slot->target)
        slot = channel_->open_write(slot->seq + 1);
    if (!slot)
        return slot.error();
    if (!slot->target)
        return make_error_code(errc::already_exists);
    current_ = *slot;
    return {};
}

error_code channel_writer::append(bytes block) {
    if (!current_) {
        const auto failed = begin_segment();
        if (failed)
            return failed;
    }
    return channel_->append(*current_, std::move(block), steady_clock::now());
}

void channel_writer::end_segment() {
    if (!current_)
        return;
    channel_->finish_write(*current_, steady_clock::now());
    current_.reset();
}

error_code channel_writer::write_segment(bytes whole) {
    auto failed = begin_segment();
    if (!failed)
        failed = append(std::move(whole));
    end_segment();
    return failed;
}

void channel_writer::close() {
    end_segment();
    channel_->close();
}

} // namespace rivulet::trickle
