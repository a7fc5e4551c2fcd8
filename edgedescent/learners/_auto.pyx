"""Model of the automatic regressor: members over one encoder and the own lags of the label, and their mixture."""
from cpython.object cimport PyObject
from libc.math cimport fabs, sqrt
from libc.stdint cimport uint64_t

from edgedescent.ensemble._aim cimport QUANTILE
from edgedescent.ensemble._batch cimport Batch
from edgedescent.ensemble._boosted_trees cimport BoostedTrees
from edgedescent.ensemble._evolution cimport Evolution
from edgedescent.ensemble._event_ring cimport EventRing
from edgedescent.ensemble._inputs cimport InputBuffer
from edgedescent.ensemble._keyed_labels cimport KeyedLabels
from edgedescent.ensemble._label_guard cimport LabelGuard
from edgedescent.ensemble._label_history cimport OWN_LAGS, LabelHistory
from edgedescent.ensemble._latest_prediction cimport Circumstances, LatestPrediction
from edgedescent.ensemble._make_members cimport LAGS, MEMBERS_MAX, make_evolution, make_members
from edgedescent.ensemble._member cimport LabelScale, Member
from edgedescent.ensemble._mixture cimport Mixture
from edgedescent.ensemble._repeated_values cimport RepeatedValues, with_values
from edgedescent.features._encoder cimport EncodedEvent, Encoder
from edgedescent.features._kinds cimport CATEGORICAL
from edgedescent.features._scaler cimport BLOCK, Scaler
from edgedescent.learners._feature_model cimport FeatureModel
from edgedescent.numerics._numbers cimport EVENT_VALUES_MAX, is_sane

from edgedescent.validation import as_numbers

# Initial weights of a category are smaller, as those of `edgedescent.MLPRegressor`.
cdef double CATEGORY_SCALE = 0.1
# Deviations at which labels are clipped before they are searched for a change of scale.
cdef double LABEL_CLIP = 10.0


cdef class AutoModel(FeatureModel):
    """Compiled model of `edgedescent.AutoRegressor`, which chooses its members.

    Args:
        encoder: Encoder of the events.
        parameters: The learner, whose `members` are the specifications.
    """

    cdef readonly LabelHistory history
    cdef readonly KeyedLabels keyed
    # Values of features that some networks take as inputs.
    cdef readonly RepeatedValues values
    cdef readonly LabelGuard guard
    # Looks for changes of scale of the label.
    cdef readonly Scaler watch
    cdef readonly Mixture mixture
    # Correct the mixture, and choose between its prediction and the corrected one. Without trees the choice is the mixture.
    cdef readonly BoostedTrees trees
    cdef readonly Mixture choice
    cdef readonly EventRing ring
    # Replaces the worst networks, if the parameters ask for it.
    cdef readonly Evolution evolution
    # Scratch of the networks.
    cdef Batch batch
    # Members by their names in the state.
    cdef readonly dict members
    cdef PyObject* pointers[MEMBERS_MAX]
    cdef Py_ssize_t n_members
    cdef InputBuffer buffer
    cdef InputBuffer replayed
    cdef LatestPrediction latest
    cdef double lags[LAGS]
    cdef bint own_lags, key_lags, guards, corrects, evolves

    def __init__(self, Encoder encoder, parameters):
        FeatureModel.__init__(self, encoder, parameters)
        cdef Py_ssize_t i
        chosen = parameters.members
        self.history = LabelHistory()
        self.history.delay = parameters.label_delay
        self.keyed = KeyedLabels()
        self.values = RepeatedValues()
        self.guard = LabelGuard()
        self.watch = Scaler(LABEL_CLIP, parameters.forgetting, 1)
        self.ring = EventRing(parameters.replay_size, LAGS + 1)
        self.keeps_events = True
        self.own_lags, self.key_lags, self.guards = chosen.own_lags, chosen.key_lags, chosen.guard
        # A wide event may be replayed at any time.
        encoder.room_kept = EVENT_VALUES_MAX
        self.batch = Batch()
        self.members = make_members(parameters, self.history, self.keyed, self.batch)
        self.n_members = len(self.members)
        for i, member in enumerate(self.members.values()):
            self.pointers[i] = <PyObject*>member
        n_outputs = sum((<Member>member).n_outputs for member in self.members.values())
        self.mixture = Mixture(n_outputs, chosen.stacks, chosen.regret_forgetting, parameters.loss)
        self.evolves = chosen.evolution is not None and len(chosen.networks) > 1
        if self.evolves:
            self.evolution = make_evolution(parameters, self.members)
        self.choice = self.mixture
        self.corrects = chosen.trees is not None
        if self.corrects:
            self.trees = BoostedTrees(
                parameters.replay_size, chosen.trees.n_trees, chosen.trees.fit_every, parameters.seed, parameters.loss)
            self.choice = Mixture(2, (), chosen.regret_forgetting, parameters.loss)
        self.buffer, self.replayed, self.latest = InputBuffer(LAGS), InputBuffer(LAGS), LatestPrediction(LAGS)
        self._grow(encoder.scaler.rows)
        for i in range(LAGS + 1):
            self._start(i, i, sqrt(2.0 / (LAGS + 1)))

    cdef int _grow(self, Py_ssize_t rows) except -1:
        """Make room for the weights of so many rows of the encoder."""
        cdef Py_ssize_t i
        for i in range(self.n_members):
            (<Member>self.pointers[i]).grow(LAGS + rows)
        self.values.grow(rows)
        return self.keyed.grow(rows)

    cdef void _start(self, Py_ssize_t slot, uint64_t word, double deviation) noexcept nogil:
        """Give the weights of an input their first values."""
        cdef Py_ssize_t i
        for i in range(self.n_members):
            (<Member>self.pointers[i]).start_slot(slot, word, deviation)

    cdef int prepare(self) except -1:
        cdef Encoder encoder = self.encoder
        cdef Py_ssize_t i
        if self.room != encoder.room:
            self.room = 0
            self.buffer.make_room(encoder.room)
            self.replayed.make_room(encoder.room)
            self.latest.inputs.make_room(encoder.room)
            self.batch.make_room(LAGS + 1 + with_values(encoder.room))
            self.room = encoder.room
        if self.rows < encoder.scaler.rows:
            self._grow(encoder.scaler.rows)
            self.rows = encoder.scaler.rows
        return self.ring.make_room(LAGS + 1 + with_values(encoder.event.n))

    cdef void start_new_rows(self) noexcept nogil:
        cdef Py_ssize_t i, j, row
        cdef double deviation
        self.latest.holds = False
        for j in range(self.encoder.n_new):
            row = self.encoder.new_rows[j]
            deviation = sqrt(2.0 / (LAGS + 1 + self.encoder.n_read))
            if self.encoder.kinds[row] == CATEGORICAL:
                deviation *= CATEGORY_SCALE
            # Seeded by the feature's own name: the first values depend on nothing that came before.
            self.keyed.start_row(row)
            self._start(LAGS + row, self.encoder.new_hashes[j], deviation)
            if self.encoder.vocabulary.evicted == 0:
                continue
            self.keyed.forget_row(row)
            self.values.forget_row(row)
            self.ring.forget_slot(<int>(LAGS + row))
            for i in range(self.n_members):
                (<Member>self.pointers[i]).forget_slot(LAGS + row)
            if self.corrects:
                self.trees.forget_slot(LAGS + row, self.ring)

    cdef double predict(self, const EncodedEvent* event) noexcept nogil:
        """Fill the predictions of all members for an event, and return their mixture, corrected."""
        cdef LabelScale scale = self.history.scale()
        cdef Circumstances now
        self.keyed.look_up(event, self.history.hidden)
        if self.own_lags:
            self.history.lags(self.lags)
        if self.key_lags:
            self.keyed.lags(self.lags + OWN_LAGS, scale.base, scale.deviation, scale.change)
        self.buffer.fill(self.lags, event)
        self.buffer.add_values(
            self.values.look_up(event, self.encoder.kinds, self.buffer.inputs.slots + self.buffer.inputs.n))
        now = Circumstances(
            scale, self.history.bounded(-1e300), self.history.bounded(1e300), self.history.delay, self.history.hidden,
            self.keyed.place)
        # An event is mostly learned right after it was predicted.
        if not self.latest.is_of(self.buffer, &now):
            self._predict_members(&now)
            self.latest.take(self.buffer, &now)
        return self.choice.prediction

    cdef void _predict_members(self, const Circumstances* now) noexcept nogil:
        """Fill the predictions of all members for the inputs in the buffer, and mix and correct them."""
        cdef double* out = self.mixture.predictions
        cdef Py_ssize_t i
        for i in range(self.n_members):
            (<Member>self.pointers[i]).predict(&self.buffer.inputs, &now.scale, out)
            out += (<Member>self.pointers[i]).n_outputs
        self.mixture.mix(now.scale.base, now.lowest, now.highest)
        if self.corrects:
            self.choice.predictions[0] = self.mixture.prediction
            self.choice.predictions[1] = self.trees.predict(&self.buffer.inputs, &now.scale, self.mixture.prediction)
            self.choice.mix(now.scale.base, now.lowest, now.highest)

    cdef double predict_past(self, const EncodedEvent* event) noexcept nogil:
        cdef double prediction
        self.history.hide(True)
        prediction = self.predict(event)
        self.history.hide(False)
        return prediction

    cdef double learn(self, double y) noexcept nogil:
        # As the event was predicted, with labels as old.
        self.history.hide(True)
        cdef LabelScale scale = self.history.scale()
        cdef double prediction = self.predict(&self.encoder.event)
        cdef Py_ssize_t i
        self.history.hide(False)
        self.latest.holds = False
        self.guard.observe(y, self._middle(prediction), self.choice.known_error() if self.guards else 0.0)
        y = self.guard.label()
        self.mixture.learn(scale.base, y)
        if self.corrects:
            self.choice.learn(scale.base, y)
        if self.history.n == 0:
            return prediction
        if self.evolves:
            # Before they learn the event, so that a copy learns it with the weights that it has become.
            self.evolution.learn(self.mixture, y)
        self.ring.push(&self.buffer.inputs, scale.base, y)
        for i in range(self.n_members):
            # One after the other: networks share the memory of their gradients.
            (<Member>self.pointers[i]).learn(&self.buffer.inputs, &scale, y)
            (<Member>self.pointers[i]).replay(self.ring, &self.replayed.inputs, &scale)
        if self.corrects:
            self.trees.learn(self.ring, &self.replayed.inputs, &scale, self.mixture.prediction, y)
        return prediction

    cdef double _middle(self, double prediction) noexcept nogil:
        """Return what can stand for a label: the prediction that was made last, but not that of a quantile."""
        return self.mixture.centre if self.mixture.aim.kind == QUANTILE else prediction

    cdef void after_update(self, double y) noexcept nogil:
        self.latest.holds = False
        if self.guard.puts_back:
            self.history.put_back(self.guard.before)
        self.history.hide(True)
        cdef LabelScale scale = self.history.scale()
        cdef double label = self.guard.lag()
        self.keyed.push(&self.encoder.event, label, scale.base, scale.deviation, self.history.hidden)
        self._push_values()
        self.history.hide(False)
        self.history.push(label)
        self.watch.update(&label, 0, 1)
        if self.watch.found:
            self._follow_label()

    cdef void _push_values(self) noexcept nogil:
        """Take in the values of the event, and give the weights of those that became inputs their first values."""
        cdef double deviation = CATEGORY_SCALE * sqrt(2.0 / (LAGS + 1 + self.encoder.n_read))
        cdef Py_ssize_t i, j, slot
        self.values.push(&self.encoder.event, self.encoder.kinds)
        for j in range(self.values.n_new):
            slot = -1 - self.values.new_places[j]
            for i in range(self.n_members):
                if (<Member>self.pointers[i]).has_value_slots:
                    (<Member>self.pointers[i]).start_slot(slot, slot, deviation)
            if self.values.was_taken[j]:
                self.ring.forget_slot(<int>slot)

    # --- Changes of scale -----------------------------------------------------------------------------------------

    cdef void follow_change(self, Py_ssize_t row) noexcept nogil:
        cdef Py_ssize_t i
        self.latest.holds = False
        for i in range(self.n_members):
            (<Member>self.pointers[i]).reopen_slot(LAGS + row)

    cdef void begin_anew(self) noexcept nogil:
        cdef Py_ssize_t i
        self.latest.holds = False
        for i in range(self.n_members):
            # The intercept.
            (<Member>self.pointers[i]).reopen_slot(LAGS)
            (<Member>self.pointers[i]).begin_anew(self.ring)
        if self.corrects:
            self.trees.begin_anew(self.ring)

    cdef void _follow_label(self) noexcept nogil:
        """Follow a change of scale of the label, if the errors confirm it."""
        cdef double before = self.watch.deviation[0]
        cdef LabelScale scale = self.history.scale()
        cdef Py_ssize_t row
        if not self.follow_target(self.watch):
            return
        self.history.follow_change(self.watch.mean[0], self.watch.deviation[0], BLOCK)
        if self.watch.deviation[0] > before:
            # Smaller labels come with smaller features, which may be followed next: predictions would then be too small.
            self._keep_predictions(scale, self.history.scale())
        self.keyed.forget_labels()
        self.mixture.begin_anew(self.watch.deviation[0] / before)
        if self.corrects:
            self.choice.begin_anew(self.watch.deviation[0] / before)
        for row in range(-LAGS, self.encoder.vocabulary.size()):
            self.follow_change(row)
        self.begin_anew()

    cdef void _keep_predictions(self, LabelScale before, LabelScale after) noexcept nogil:
        """Let each member keep its predictions where they fit the latest labels better than its standardized outputs do.

        Where the unit of the label has changed, the outputs are still right. Where the label varies more for another
        reason, the predictions are, or a member has followed the labels since.
        """
        cdef double out
        cdef double kept[MEMBERS_MAX]
        cdef double moved[MEMBERS_MAX]
        cdef long long number
        cdef Py_ssize_t i, place
        for i in range(self.n_members):
            kept[i] = moved[i] = 0.0
        for number in range(self.ring.n_pushed - min(BLOCK, self.ring.held), self.ring.n_pushed):
            place = self.ring.recall(number, &self.replayed.inputs)
            for i in range(self.replayed.inputs.n):
                self.replayed.inputs.exact[i] = self.replayed.inputs.z[i]
            before.base = after.base = self.ring.bases[place]
            for i in range(self.n_members):
                if (<Member>self.pointers[i]).has_target:
                    (<Member>self.pointers[i]).predict(&self.replayed.inputs, &before, &out)
                    kept[i] += fabs(out - self.ring.labels[place])
                    (<Member>self.pointers[i]).predict(&self.replayed.inputs, &after, &out)
                    moved[i] += fabs(out - self.ring.labels[place])
        for i in range(self.n_members):
            if kept[i] < moved[i]:
                if (<Member>self.pointers[i]).on_change:
                    (<Member>self.pointers[i]).rescale(before.change / after.change, 0.0)
                else:
                    (<Member>self.pointers[i]).rescale(
                        before.deviation / after.deviation, (before.mean - after.mean) / after.deviation)

    def append_labels(self, labels):
        """Take in labels as the last ones without learning from them; what is no label to learn is left out."""
        cdef const double[::1] values = as_numbers("labels", labels, 1)
        cdef Py_ssize_t i
        self.latest.holds = False
        for i in range(values.shape[0]):
            if is_sane(values[i]):
                self.history.append(values[i])

    def stand_in(self):
        """Take in the prediction of the event that was predicted last in place of its label, which will not come."""
        if self.history.n:
            self.history.stand_in(self._middle(self.predict_past(&self.encoder.event)))
            self.latest.holds = False

    # --- State ----------------------------------------------------------------------------------------------------

    def names(self):
        """Return a name for each expert of the mixture: the predictions of the members, then the stacks."""
        return [
            *(name for member in self.members.values() for name in member.names()),
            *(f"stack, forgetting {forgetting:g}" for forgetting in self.mixture.forgettings),
        ]

    def counts(self):
        """Return the age of the last label, and how often members began anew or let go of stored events."""
        age = self.history.delay + self.history.n_missing
        total = {"label_age_events": age, "labels_replaced": self.guard.n_replaced, "members_restarted": 0, "replays_let_go": 0}
        for member in self.members.values():
            for name, count in member.counts().items():
                total[name] += count
        if self.evolves:
            total["networks_replaced"] = self.evolution.n_replaced
        return total

    def save(self):
        cdef Py_ssize_t rows = self.encoder.vocabulary.size(), slots = LAGS + rows
        state = {
            **FeatureModel.save(self),
            "target": self.watch.save(1),
            **self.history.save(),
            **self.keyed.save(rows),
            **self.values.save(rows),
            **self.guard.save(),
            **self.ring.save(),
            **self.mixture.save(),
        }
        if self.corrects:
            state.update(self.trees.save(self.ring))
            state.update((name.replace("mixture.", "choice."), value) for name, value in self.choice.save().items())
        if self.evolves:
            state.update(self.evolution.save())
        for prefix, member in self.members.items():
            state.update((f"{prefix}.{name}", value) for name, value in member.save(slots, self.values.n_slots).items())
        return state

    def restore(self, dict state):
        cdef Py_ssize_t slots = LAGS + self.encoder.vocabulary.size()
        if len(state["target"][0]) != 1:
            raise ValueError("The state must have 1 `target`.")
        FeatureModel.restore(self, state)
        self.latest.holds = False
        self.watch.restore(state["target"])
        self.history.restore(state)
        self.guard.restore(state)
        self.keyed.grow(self.encoder.scaler.rows)
        self.keyed.restore(state, slots - LAGS)
        self.values.restore(state, slots - LAGS)
        self.ring.restore(state, slots, LAGS + 1, self.values.n_slots)
        self.mixture.restore(state)
        if self.corrects:
            self.trees.restore(state, self.ring)
            self.choice.restore(
                {name.replace("choice.", "mixture."): value for name, value in state.items() if name.startswith("choice.")})
        if self.evolves:
            self.evolution.restore(state)
        self._grow(self.encoder.scaler.rows)
        for prefix, member in self.members.items():
            start = f"{prefix}."
            member.restore(
                {name[len(start):]: value for name, value in state.items() if name.startswith(start)}, slots,
                self.values.n_slots)
        # Lags and values do not count, so that an event may have more inputs than features.
        self.encoder.make_room(min(max(state["ring.lengths"], default=0), EVENT_VALUES_MAX))
        self.room = 0
