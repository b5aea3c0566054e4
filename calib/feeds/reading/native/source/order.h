/* The order within a group, and quantiles of it. */
#ifndef CALIB_ORDER_H
#define CALIB_ORDER_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Rows by their first member, the time; equal ones stay as they are. `other` has room for all of them. */
static inline void *by_time(char *rows, char *other, uint32_t count, size_t size) {
    int ordered = 1;
    for (uint32_t n = 1; n < count && ordered; n++)
        ordered = *(const double *)(const void *)(rows + (n - 1) * size) <= *(const double *)(const void *)(rows + n * size);
    for (uint64_t width = 1; width < count && !ordered; width *= 2) {
        for (uint64_t begin = 0; begin < count; begin += 2 * width) {
            uint64_t middle = begin + width < count ? begin + width : count;
            uint64_t end = begin + 2 * width < count ? begin + 2 * width : count;
            uint64_t left = begin, right = middle;
            for (uint64_t to = begin; to < end; to++) {
                int first = right >= end || (left < middle && *(const double *)(const void *)(rows + left * size) <=
                                                                  *(const double *)(const void *)(rows + right * size));
                memcpy(other + to * size, rows + (first ? left++ : right++) * size, size);
            }
        }
        char *swapped = rows;
        rows = other;
        other = swapped;
    }
    return rows;
}

static inline int compare_doubles(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

/* Puts the value of rank `rank` in its place, smaller ones before it, larger ones behind it. */
static inline void select_rank(double *values, int64_t low, int64_t high, int64_t rank) {
    for (int rounds = 0; low < high; rounds++) {
        if (rounds == 64) { /* an order made to be slow */
            qsort(values + low, (size_t)(high - low + 1), sizeof *values, compare_doubles);
            return;
        }
        double a = values[low], b = values[(low + high) / 2], c = values[high];
        double least = a < b ? a : b, most = a < b ? b : a;
        double pivot = c < least ? least : c > most ? most : c;
        int64_t left = low, right = high;
        while (left <= right) {
            while (values[left] < pivot)
                left++;
            while (values[right] > pivot)
                right--;
            if (left <= right) {
                double swapped = values[left];
                values[left++] = values[right];
                values[right--] = swapped;
            }
        }
        if (rank <= right)
            high = right;
        else if (rank >= left)
            low = left;
        else
            return;
    }
}

/* The quantile by linear interpolation, in the order of operations that polars has, which counts the `missing` values
 * as the smallest ones: it rounds the place among all. At least one value; those before rank `from` are smaller. */
static inline double quantile(double *values, uint32_t count, uint32_t missing, double q, int64_t *from) {
    double place = (double)(count - 1) * q + (double)missing, whole = floor(place);
    int64_t low = (int64_t)whole - missing, high = (int64_t)ceil(place) - missing;
    select_rank(values, *from, (int64_t)count - 1, low);
    *from = low;
    if (high == low)
        return values[low];
    double next = values[low + 1];
    for (int64_t n = low + 2; n < count; n++)
        next = values[n] < next ? values[n] : next;
    return (place - whole) * (next - values[low]) + values[low];
}

#endif
