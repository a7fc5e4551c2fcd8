/* The arithmetic of LinearRegressor on arrays, as one would write it by hand: no names, no missing values, no
 * schedules, no guards. It gives the same bits, and is what the speed of learn_many is measured against.
 *
 * Standardization of features and target, a linear model, the adaptive Huber loss, SGD or Adam; all with the default
 * hyper-parameters. See the docstrings of LinearRegressor, AdaptiveHuberLoss and Adam for the equations. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double CLIP = 5.0, TARGET_CLIP = 10.0, RATE_MIN = 0.0002, HUBER_K = 3.0, HUBER_RATE_MIN = 0.002;
static const double BETA1 = 0.9, BETA2 = 0.999, EPS = 1e-8;

typedef struct {
    double *count, *mean, *variance, *inverse, *deviation, *window_mean, *window_variance;
} Moments;

enum { START = 31, WIDE = 16 };

static double clipped(double value, double limit) {
    value = value < limit ? value : limit;
    return value > -limit ? value : -limit;
}

static void standardize(const Moments *moments, const double *restrict x, double *restrict z, long n) {
    const double *restrict mean = moments->mean, *restrict inverse = moments->inverse;
    for (long i = 0; i < n; i++) z[i] = clipped((x[i] - mean[i]) * inverse[i], CLIP);
}

static void update(Moments *moments, const double *restrict x, double clip, long n) {
    double *restrict count = moments->count, *restrict mean = moments->mean;
    double *restrict variance = moments->variance, *restrict inverse = moments->inverse;
    double *restrict root = moments->deviation;
    for (long i = 0; i < n; i++) {
        double rate, deviation, limit;
        count[i] += 1.0;
        rate = 1.0 / count[i];
        rate = rate > RATE_MIN ? rate : RATE_MIN;
        limit = clip * root[i];
        deviation = clipped(x[i] - mean[i], limit > 0.0 ? limit : 1e300);
        mean[i] += rate * deviation;
        variance[i] = (1.0 - rate) * (variance[i] + rate * (deviation * deviation));
        variance[i] = variance[i] > 1e-60 ? variance[i] : 0.0;
        root[i] = sqrt(variance[i]);
        inverse[i] = variance[i] > 0.0 ? 1.0 / root[i] : 0.0;
    }
}

/* An absurd value among the first ones is told by the windows after it, from the 4th, 8th and 16th value on. */
static void check_start(Moments *moments, const double *x, double clip, long n) {
    for (long i = 0; i < n; i++) {
        double rate, deviation, *mean = moments->window_mean + i, *variance = moments->window_variance + i;
        int count = (int)moments->count[i], first = 1;
        if (count > START) continue;
        while (2 * first <= count) first *= 2;
        rate = 1.0 / (count - first + 1);
        if (count == first) *mean = *variance = 0.0;
        deviation = x[i] - *mean;
        *mean += rate * deviation;
        *variance = (1.0 - rate) * (*variance + rate * (deviation * deviation));
        if (count + 1 == 2 * first && count >= 7 && *variance > 1e-60 &&
            moments->variance[i] > 4.0 * clip * clip * *variance) {
            moments->mean[i] = *mean;
            moments->variance[i] = *variance;
            moments->deviation[i] = sqrt(*variance);
            moments->inverse[i] = 1.0 / sqrt(*variance);
        }
    }
}

static double dot(const double *a, const double *b, long n) {
    double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0;
    long i, whole = n - n % 4;
    for (i = 0; i < whole; i += 4) {
        s0 += a[i] * b[i];
        s1 += a[i + 1] * b[i + 1];
        s2 += a[i + 2] * b[i + 2];
        s3 += a[i + 3] * b[i + 3];
    }
    for (; i < n; i++) s0 += a[i] * b[i];
    return (s0 + s1) + (s2 + s3);
}

/* Events of many features take smaller steps. */
static double share_of(long n) {
    return n <= WIDE ? 1.0 : (double)WIDE / n;
}

static void sgd(double *restrict w, const double *restrict g, double lr, long n) {
    for (long i = 0; i < n; i++) w[i] -= lr * g[i];
}

static void adam(double *restrict w, const double *restrict g, double *restrict m, double *restrict v,
                 double *restrict c1, double *restrict c2, double lr, long n) {
    for (long i = 0; i < n; i++) {
        m[i] = BETA1 * m[i] + (1.0 - BETA1) * g[i];
        v[i] = BETA2 * v[i] + (1.0 - BETA2) * (g[i] * g[i]);
        c1[i] = BETA1 * c1[i] + (1.0 - BETA1);
        c2[i] = BETA2 * c2[i] + (1.0 - BETA2);
        w[i] -= lr * (m[i] / c1[i]) / (sqrt(v[i] / c2[i]) + EPS);
    }
}

/* A model of n features: its arrays one after the other in `memory`, all zero at first. Place 0 of weights, gradient
 * and slots is the intercept's, place n of the moments is the target's. */
typedef struct {
    long n;
    double *memory, *w, *g, *m, *v, *c1, *c2, *z;
    Moments inputs, target;
    double scale, errors;
} Model;

Model *plain_new(long n) {
    Model *model = calloc(1, sizeof(Model));
    double *at;
    if (!model) return NULL;
    if (!(at = model->memory = calloc(14 * (n + 1), sizeof(double)))) {
        free(model);
        return NULL;
    }
    double **arrays[] = {&model->w, &model->g, &model->m, &model->v, &model->c1, &model->c2, &model->z,
                         &model->inputs.count, &model->inputs.mean, &model->inputs.variance, &model->inputs.inverse,
                         &model->inputs.deviation, &model->inputs.window_mean, &model->inputs.window_variance};
    for (int i = 0; i < 14; i++, at += n + 1) *arrays[i] = at;
    model->target = (Moments){model->inputs.count + n, model->inputs.mean + n, model->inputs.variance + n,
                              model->inputs.inverse + n, model->inputs.deviation + n,
                              model->inputs.window_mean + n, model->inputs.window_variance + n};
    model->n = n;
    model->scale = 1.0;
    return model;
}

void plain_free(Model *model) {
    free(model->memory);
    free(model);
}

/* Predict each of `events` rows of X, then learn from it, in order; with `rate` as the learning rate. */
void plain_learn_many(Model *model, const double *X, const double *y, double *predictions, long events, int with_adam,
                      double rate) {
    const long n = model->n;
    for (long t = 0; t < events; t++) {
        const double *x = X + t * n;
        double score, target, slope, error, share;
        standardize(&model->inputs, x, model->z, n);
        score = model->w[0] + dot(model->w + 1, model->z, n);
        predictions[t] = model->target.mean[0];
        if (model->target.variance[0] > 0.0) predictions[t] += score / model->target.inverse[0];
        target = (y[t] - model->target.mean[0]) * model->target.inverse[0];
        slope = clipped(score - target, HUBER_K * model->scale);
        model->g[0] = slope;
        for (long i = 0; i < n; i++) model->g[i + 1] = slope * model->z[i];
        if (with_adam)
            adam(model->w, model->g, model->m, model->v, model->c1, model->c2, rate * share_of(n), n + 1);
        else
            sgd(model->w, model->g, rate * share_of(n), n + 1);
        error = fabs(slope);
        model->errors += 1.0;
        share = 1.0 / (model->errors + 1.0);
        share = share > HUBER_RATE_MIN ? share : HUBER_RATE_MIN;
        model->scale += share * (error - model->scale);
        model->scale = model->scale > 0.01 ? model->scale : 0.01;
        update(&model->inputs, x, CLIP, n);
        update(&model->target, y + t, TARGET_CLIP, 1);
        if (model->target.count[0] <= START) {
            check_start(&model->inputs, x, CLIP, n);
            check_start(&model->target, y + t, TARGET_CLIP, 1);
        }
    }
}
