mod assigning;
